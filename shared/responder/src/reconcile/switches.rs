//! Operators' switches as a whole: what they should hear about, and what an engaged kill switch stops.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::incident::Incident;
use mend_core::report::Notice;
use mend_core::switches::{KillSwitch, kill_switch_parameter, path, remarks};

use super::{Open, Run};
use crate::error::CallError;
use crate::world::World;

/// What was read is used for so long.
const FRESH: Duration = Duration::from_secs(15);
/// So many remarks are told in a run.
const REMARKS: usize = 10;

impl<W: World> Run<'_, '_, W> {
    /// Reads all switches, stops executions if an engaged kill switch says so, and tells people what is new. Comes
    /// back with what the kill switch said when they were told last.
    pub(super) async fn look_at_switches(&mut self, open: &Open, told: Option<String>) -> Option<String> {
        let parameters = match self.read_switches().await {
            Ok(parameters) => parameters,
            Err(error) => {
                self.failed(&error);
                return told;
            }
        };
        let text = parameters.get(&kill_switch_parameter(self.responder.stack.place.environment));
        let kill = text.map_or(KillSwitch::Missing, |text| KillSwitch::parse(text));
        if matches!(kill, KillSwitch::Engaged { stops: true, .. }) {
            self.stop_executions(open).await;
        }
        if let Err(error) = self.tell_remarks(&parameters).await {
            self.failed(&error);
        }
        let text = text.cloned().unwrap_or_default();
        if told.as_ref() == Some(&text) || (told.is_none() && is_as_expected(&kill)) {
            return Some(text);
        }
        let notice = Notice::KillSwitch { kill, stopped: self.done.stopped };
        let (place, now) = (&self.responder.stack.place, self.responder.world.now());
        match self.responder.world.publish(&notice.notification(place, now)).await {
            Ok(()) => Some(text),
            Err(error) => {
                self.failed(&error);
                told
            }
        }
    }

    /// What this run knows of the switches is never older than a kill switch may be late.
    pub(super) async fn keep_switches_fresh(&mut self) {
        if self.responder.world.now().since(self.switches_read_at) >= FRESH
            && let Err(error) = self.read_switches().await
        {
            // They are asked for one by one then.
            self.failed(&error);
        }
    }

    async fn read_switches(&mut self) -> Result<BTreeMap<String, String>, CallError> {
        self.switches_read_at = self.responder.world.now();
        self.responder.world.parameters_below(&path(self.responder.stack.place.environment)).await
    }

    async fn stop_executions(&mut self, open: &Open) {
        for incident in open.rows.values().filter_map(|row| row.incident.as_ref()) {
            match self.stop_execution(incident).await {
                Ok(stopped) => self.done.stopped += usize::from(stopped),
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Stops what changes the resource. A request that waits for its answer stays: whoever says yes is told that the
    /// kill switch is engaged.
    async fn stop_execution(&self, incident: &Incident) -> Result<bool, CallError> {
        let Some(id) = self.execution_of(incident).await? else { return Ok(false) };
        let world = self.responder.world;
        let asks = incident.running().is_none();
        if asks && !world.execution(&id).await?.is_some_and(|execution| execution.runs_child()) {
            return Ok(false);
        }
        world.stop(&id).await?;
        Ok(true)
    }

    async fn tell_remarks(&self, parameters: &BTreeMap<String, String>) -> Result<(), CallError> {
        let (environment, now) = (self.responder.stack.place.environment, self.responder.world.now());
        let remarks = remarks(environment, self.responder.policy, parameters, now);
        let mut told = 0;
        for (place, remark) in remarks {
            told += usize::from(self.responder.tell_once(&Notice::Remark { place, remark }).await?);
            if told == REMARKS {
                break;
            }
        }
        Ok(())
    }
}

/// A new stack has no kill switch until an operator releases it, and needs no message about that.
const fn is_as_expected(kill: &KillSwitch) -> bool {
    match kill {
        KillSwitch::Released | KillSwitch::Missing => true,
        KillSwitch::Engaged { .. } | KillSwitch::NotUnderstood => false,
    }
}
