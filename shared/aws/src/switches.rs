//! Operators' switches in Parameter Store.

use mend_core::policy::RouteName;
use mend_core::switches::{KillSwitch, ModeSwitch, Switches, kill_switch_parameter, mode_parameter};
use mend_responder::CallError;
use mend_responder::world::{Clock, SwitchBoard};

use crate::Aws;
use crate::failure::failure;

impl<C: Clock> SwitchBoard for Aws<C> {
    async fn switches(&self, route: &RouteName) -> Result<Switches, CallError> {
        if let Some(switches) = self.switches.get(route, self.now()) {
            return Ok(switches);
        }
        let kill = kill_switch_parameter(self.names.environment);
        let mode = mode_parameter(self.names.environment, route);
        let asked_at = self.now();
        let answer = self
            .clients
            .ssm
            .get_parameters()
            .names(&kill)
            .names(&mode)
            .send()
            .await
            .map_err(|error| failure(format!("read the switches {kill} and {mode}"), REMEDY, error))?;
        let value = |name: &str| {
            answer.parameters().iter().find(|parameter| parameter.name() == Some(name))?.value().map(str::to_owned)
        };
        let switches = Switches::Read {
            kill: value(&kill).map_or(KillSwitch::Missing, |text| KillSwitch::parse(&text)),
            mode: value(&mode).map_or(ModeSwitch::Unset, |text| ModeSwitch::parse(&text)),
        };
        self.switches.put(route, asked_at, &switches);
        Ok(switches)
    }
}

const REMEDY: &str = "check that the function's role may call ssm:GetParameters on them";
