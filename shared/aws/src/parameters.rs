//! Parameter Store, where operators' switches are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_sdk_ssm::operation::put_parameter::PutParameterError;
use aws_sdk_ssm::types::{Parameter, ParameterType};
use mend_core::switches::path;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{Clock, SwitchBoard};
use metrics::counter;

use crate::Aws;
use crate::cache::is_fresh;
use crate::failure::failure;

/// As many as Parameter Store reads in one call.
const AT_ONCE: usize = 10;

impl<C: Clock> SwitchBoard for Aws<C> {
    async fn parameters(&self, names: &[&str]) -> Result<BTreeMap<String, String>, CallError> {
        if let Some(known) = self.known_parameters(names) {
            return Ok(known);
        }
        // Also those that are known: the call costs the same, and what is read together is of one time.
        let asked_at = self.now();
        let mut there = BTreeMap::new();
        for names in names.chunks(AT_ONCE) {
            let request = self.clients.ssm.get_parameters();
            let answer = request
                .set_names(Some(names.iter().map(|name| (*name).to_owned()).collect()))
                .send()
                .await
                .map_err(|error| failure(format!("read the parameters {}", names.join(", ")), READ, error))?;
            there.extend(answer.parameters.unwrap_or_default().into_iter().filter_map(named));
        }
        self.parameters.learn(names, &there, asked_at);
        Ok(there)
    }

    fn known_parameters(&self, names: &[&str]) -> Option<BTreeMap<String, String>> {
        self.parameters.all(names, self.now())
    }

    async fn parameters_below(&self, path: &str) -> Result<BTreeMap<String, String>, CallError> {
        let asked_at = self.now();
        let request = self.clients.ssm.get_parameters_by_path().path(path).recursive(true);
        let mut pages = request.into_paginator().send();
        let mut there = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| failure(format!("read the parameters below {path}"), READ_BELOW, error))?;
            there.extend(page.parameters.unwrap_or_default().into_iter().filter_map(named));
        }
        self.parameters.learn_below(path, &there, asked_at);
        Ok(there)
    }

    async fn create_parameter(&self, name: &str, value: &str) -> Result<bool, CallError> {
        let asked_at = self.now();
        let request = self.clients.ssm.put_parameter().name(name).value(value).r#type(ParameterType::String);
        match request.overwrite(false).description(DESCRIPTION).send().await {
            Ok(_) => {
                let there = BTreeMap::from([(name.to_owned(), value.to_owned())]);
                self.parameters.learn(&[name], &there, asked_at);
                if name.starts_with(&format!("{}breaker/", path(self.names.environment))) {
                    // Counted where it happens, so that no failure around it hides it from the alarm.
                    counter!("BreakerOpened").increment(1);
                }
                Ok(true)
            }
            Err(error) if error.as_service_error().is_some_and(PutParameterError::is_parameter_already_exists) => {
                self.parameters.forget(name);
                Ok(false)
            }
            Err(error) => Err(failure(format!("create the parameter {name}"), CREATE, error)),
        }
    }
}

fn named(parameter: Parameter) -> Option<(String, String)> {
    parameter.name.zip(parameter.value)
}

/// What is known of parameters: of some by their names, of all below a path. Also that one is not there.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    named: HashMap<String, Seen>,
    below: Option<(String, Timestamp)>,
}

#[derive(Clone, Debug)]
struct Seen {
    asked_at: Timestamp,
    /// None: there was no such parameter.
    value: Option<String>,
}

impl Known {
    /// Those of the named that are there, if all of them are known.
    fn all(&self, names: &[&str], now: Timestamp) -> Option<BTreeMap<String, String>> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut there = BTreeMap::new();
        for name in names {
            let Seen { value, .. } = inner.seen(name, now)?;
            there.extend(value.map(|value| ((*name).to_owned(), value)));
        }
        Some(there)
    }

    fn learn(&self, names: &[&str], there: &BTreeMap<String, String>, asked_at: Timestamp) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.named.retain(|_, seen| is_fresh(seen.asked_at, asked_at));
        let seen = names.iter().filter(|name| !is_exemption(name)).map(|name| {
            let value = there.get(*name).cloned();
            ((*name).to_owned(), Seen { asked_at, value })
        });
        inner.named.extend(seen);
    }

    fn learn_below(&self, path: &str, there: &BTreeMap<String, String>, asked_at: Timestamp) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.named.retain(|name, seen| is_fresh(seen.asked_at, asked_at) && !name.starts_with(path));
        let seen = there.iter().map(|(name, value)| (name.clone(), Seen { asked_at, value: Some(value.clone()) }));
        inner.named.extend(seen);
        inner.below = Some((path.to_owned(), asked_at));
    }

    fn forget(&self, name: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.named.remove(name);
        inner.below = None;
    }
}

impl Inner {
    fn seen(&self, name: &str, now: Timestamp) -> Option<Seen> {
        let below = || {
            let (path, asked_at) = self.below.as_ref()?;
            name.starts_with(path).then_some(Seen { asked_at: *asked_at, value: None })
        };
        self.named.get(name).cloned().or_else(below).filter(|seen| is_fresh(seen.asked_at, now))
    }
}

/// Who undoes a repair exempts the resource first, and its rule may complain a moment later: that has to be read anew.
fn is_exemption(name: &str) -> bool {
    name.contains("/exemptions/")
}

/// Whoever finds it should know what it does.
const DESCRIPTION: &str = "Created by Mend. While it exists, nothing starts there; delete it to let Mend go on.";

const READ: &str = "check that the function's role may call ssm:GetParameters on them";
const READ_BELOW: &str = "check that the function's role may call ssm:GetParametersByPath on that path";
const CREATE: &str =
    "check that the function's role may call ssm:PutParameter on it, and create the parameter by hand meanwhile";
