//! Gatherings: their OpsItems are brought in step with their incidents here, not by each of these.

use std::time::Duration;

use mend_core::gathering::{Day, GatheringId};
use mend_core::policy::Route;
use mend_core::report::{Gathering, Roll};

use super::{Open, Run, Share};
use crate::error::CallError;
use crate::world::World;

/// A gathering that has no OpsItem after so long gets it here.
const GIVEN_UP: Duration = Duration::from_mins(10);
/// A digest comes so often.
const DIGEST: Duration = Duration::from_hours(24);

impl<W: World> Run<'_, '_, W> {
    /// Brings every gathering's OpsItem in step, and tells people once a day how it stands.
    pub(super) async fn look_at_gatherings(&mut self, open: &Open) {
        for gathering in &open.gatherings {
            if self.time_is_over(Share::TwoThirds) {
                self.done.complete = false;
                return;
            }
            let routes = self.responder.policy.routes();
            let route = routes.iter().find(|route| route.name == gathering.id.route);
            let looked_at = match route {
                Some(route) => self.look_at_gathering(gathering.clone(), route).await,
                None => self.close_without_route(gathering.clone()).await,
            };
            if let Err(error) = looked_at {
                self.failed(&error);
            }
        }
    }

    async fn look_at_gathering(&self, mut gathering: Gathering, route: &Route) -> Result<(), CallError> {
        let world = self.responder.world;
        let now = world.now();
        let Some(ops_item) = gathering.ops_item.clone() else {
            // Whoever began it has that in its outbox, and gives it up only when it is refused for good.
            if now.since(gathering.opened_at) > GIVEN_UP {
                let roll = self.roll(&gathering.id).await?;
                self.responder.begin_gathering(gathering, &roll, route).await?;
            }
            return Ok(());
        };
        let roll = self.roll(&gathering.id).await?;
        let before = gathering.clone();
        gathering.is_over = roll.open() == 0 && Day::of(now) > gathering.id.day;
        gathering.stands = roll.sentence();
        if gathering != before {
            let (place, table) = (&self.responder.stack.place, &self.responder.stack.ledger_table);
            let content = gathering.content(&roll, route, place, table);
            if !world.update(&ops_item, &content, gathering.is_over).await? {
                // Somebody has deleted it.
                gathering.ops_item = Some(world.create(&content).await?);
            }
        }
        if roll.open() > 0 && gathering.told_at.is_none_or(|told_at| now.since(told_at) >= DIGEST) {
            let place = &self.responder.stack.place;
            world.publish(&gathering.notification(Some(&roll), route, place, now)).await?;
            gathering.told_at = Some(now);
        }
        if gathering == before { Ok(()) } else { world.keep_gathering(&gathering).await }
    }

    /// Nobody knows any more what its OpsItem should say. It stays for a person to resolve.
    async fn close_without_route(&self, mut gathering: Gathering) -> Result<(), CallError> {
        gathering.is_over = self.roll(&gathering.id).await?.open() == 0;
        if gathering.is_over { self.responder.world.keep_gathering(&gathering).await } else { Ok(()) }
    }

    async fn roll(&self, id: &GatheringId) -> Result<Roll, CallError> {
        let mut roll = Roll::default();
        let mut after = None;
        loop {
            let page = self.responder.world.members(id, after.as_ref()).await?;
            page.members.into_iter().for_each(|member| roll.add(member));
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(roll),
            }
        }
    }
}
