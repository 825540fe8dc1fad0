"""CloudFormation as AWS runs it: change sets, transforms, updates in place or by replacement, rollback.

moto's own creates most resources from a template once and stops there. Here every resource is made by the
public API of its service, so that a stack can make only what the local cloud's services have.
"""

__all__ = ["install"]


def install() -> None:
    """Replace moto's operations on stacks and change sets; stack sets remain moto's."""
    # moto's CloudFormation reads the person's AWS configuration as soon as it is imported.
    from moto.cloudformation.responses import CloudFormationResponse

    from localcloud.cloudformation.operations import OPERATIONS

    for name, method in OPERATIONS.items():
        setattr(CloudFormationResponse, name, method)
    # moto rewrites its own answers on the way out; ours are as the model has them.
    CloudFormationResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER = {
        path: transformer
        for path, transformer in CloudFormationResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER.items()
        if "StackSet" in path
    }
