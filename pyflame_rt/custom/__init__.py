"""Custom operators: define one, and models, IR, passes and backends know it.

```python
import numpy as np
from pyflame_rt.custom import custom_op

@custom_op("Clamp6")
def clamp6(x):
    return np.clip(x, 0, 6)
```
"""

from pyflame_rt.custom.builder import CustomOpBuilder
from pyflame_rt.custom.definition import (
    custom_op,
    get_custom_op,
    list_custom_ops,
    register_custom_op,
)
from pyflame_rt.custom.examples import (
    execute_custom_op_py,
    is_custom_op_registered_py,
    list_custom_ops_py,
    register_example_custom_ops,
)
from pyflame_rt.custom.gradients import GradientCheck, gradcheck
from pyflame_rt.custom.operators import CustomOp, CustomOpRegistry
from pyflame_rt.dialects.custom.registry import CustomNode, find
from pyflame_rt.dialects.custom.schema import (
    AttributeKind,
    AttributeSpec,
    BackendType,
    InputSpec,
    OpSchema,
    OutputSpec,
)

__all__ = [
    "AttributeKind",
    "AttributeSpec",
    "BackendType",
    "CustomNode",
    "CustomOp",
    "CustomOpBuilder",
    "CustomOpRegistry",
    "GradientCheck",
    "InputSpec",
    "OpSchema",
    "OutputSpec",
    "custom_op",
    "execute_custom_op_py",
    "find",
    "get_custom_op",
    "gradcheck",
    "is_custom_op_registered_py",
    "list_custom_ops",
    "list_custom_ops_py",
    "register_custom_op",
    "register_example_custom_ops",
]
