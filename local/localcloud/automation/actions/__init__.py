"""The actions of Automation that the local cloud has."""

from localcloud.automation.actions.action import Action
from localcloud.automation.actions.api import (
    AssertAwsResourceProperty,
    ExecuteAwsApi,
    WaitForAwsResourceProperty,
)
from localcloud.automation.actions.automation import ExecuteAutomation
from localcloud.automation.actions.branch import Branch
from localcloud.automation.actions.script import ExecuteScript
from localcloud.automation.actions.sleep import Sleep
from localcloud.automation.actions.variable import UpdateVariable

ACTIONS: dict[str, Action] = {
    "aws:assertAwsResourceProperty": AssertAwsResourceProperty(),
    "aws:branch": Branch(),
    "aws:executeAutomation": ExecuteAutomation(),
    "aws:executeAwsApi": ExecuteAwsApi(),
    "aws:executeScript": ExecuteScript(),
    "aws:sleep": Sleep(),
    "aws:updateVariable": UpdateVariable(),
    "aws:waitForAwsResourceProperty": WaitForAwsResourceProperty(),
}
