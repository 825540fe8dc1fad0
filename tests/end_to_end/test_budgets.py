"""Budgets and flapping: so much and no more, and nothing that has to wait is lost."""

from __future__ import annotations

import pytest

from .account import RULE, SSH_TO_THE_WORLD, Account
from .config_events import compliance_change

BUDGET = "budget/close-admin-ports"


@pytest.mark.parametrize("budget", [0, 1])
def test_what_is_over_budget_waits_and_is_not_lost(account: Account, budget: int):
    account.switch(BUDGET, str(budget))
    groups = [account.open_group() for _ in range(2)]
    answers = [account.deliver(compliance_change(group_id, rule=RULE))[0] for group_id in groups]
    within, over = groups[:budget], groups[budget:]
    for group_id in within:
        account.settled(group_id, "resolved")
    spent = f"the route's {budget} starts of this hour are spent"
    for group_id, answer in zip(over, answers[budget:], strict=True):
        assert (answer["decision"], answer["reasons"][-1]) == ("defer", spent)
        account.settled(group_id, "deferred")
        account.assert_untouched(group_id)
        assert spent in account.ops_item(group_id)["Description"]
    account.reconcile()
    account.assert_untouched(over[0])

    if budget:
        account.later(hours=1)
    else:
        account.switch(BUDGET, None)
    for group_id in over:
        account.settled(group_id, "resolved")
        assert account.rules(group_id) == set()
        assert account.told(group_id) == ["Deferred", "Responding", "Resolved"]


def test_a_budget_that_is_no_number_starts_nothing_and_is_reported(account: Account):
    account.switch(BUDGET, "many")
    group_id = account.open_group()
    account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "deferred")
    (told,) = account.people_are_told("Remark")
    assert told["subject"] == "[Mend dev] A switch is not understood"


def test_what_comes_back_for_the_third_time_in_a_day_is_left_to_a_person(account: Account):
    group_id = account.open_group()
    for generation in (1, 2):
        account.deliver(compliance_change(group_id, rule=RULE))
        account.settled(group_id, "resolved", generation)
        account.add_rules(group_id, SSH_TO_THE_WORLD)
    (answer,) = account.deliver(compliance_change(group_id, rule=RULE))
    account.settled(group_id, "escalated", generation=3)
    assert answer["decision"] == "respond"
    assert answer["reasons"][-1] == "the problem came 3 times in a day"
    assert len(account.executions(group_id)) == 2
    assert account.rules(group_id) == {SSH_TO_THE_WORLD}
    item = account.ops_items(group_id)[-1]
    assert (item["Status"], item["Severity"]) == ("Open", "1")
    assert "the problem came 3 times in a day" in item["Description"]
    assert account.told(group_id) == ["Responding", "Resolved"] * 2 + ["Escalated"]
