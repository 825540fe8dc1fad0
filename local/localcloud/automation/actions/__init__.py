"""The actions of Automation that the local cloud has."""

from localcloud.automation.actions.action import Action
from localcloud.automation.actions.api import (
    AssertAwsResourceProperty,
    ExecuteAwsApi,
    WaitForAwsResourceProperty,
)
from localcloud.automation.actions.approve import Approve
from localcloud.automation.actions.automation import ExecuteAutomation
from localcloud.automation.actions.branch import Branch
from localcloud.automation.actions.function import InvokeLambdaFunction
from localcloud.automation.actions.instances import ChangeInstanceState, CreateImage, DeleteImage
from localcloud.automation.actions.loop import Loop
from localcloud.automation.actions.pause import PauseExecution
from localcloud.automation.actions.script import ExecuteScript
from localcloud.automation.actions.sleep import Sleep
from localcloud.automation.actions.tags import CreateTags
from localcloud.automation.actions.variable import UpdateVariable

ACTIONS: dict[str, Action] = {
    "aws:approve": Approve(),
    "aws:assertAwsResourceProperty": AssertAwsResourceProperty(),
    "aws:branch": Branch(),
    "aws:changeInstanceState": ChangeInstanceState(),
    "aws:createImage": CreateImage(),
    "aws:createTags": CreateTags(),
    "aws:deleteImage": DeleteImage(),
    "aws:executeAutomation": ExecuteAutomation(),
    "aws:executeAwsApi": ExecuteAwsApi(),
    "aws:executeScript": ExecuteScript(),
    "aws:invokeLambdaFunction": InvokeLambdaFunction(),
    "aws:loop": Loop(),
    "aws:pause": PauseExecution(),
    "aws:sleep": Sleep(),
    "aws:updateVariable": UpdateVariable(),
    "aws:waitForAwsResourceProperty": WaitForAwsResourceProperty(),
}
