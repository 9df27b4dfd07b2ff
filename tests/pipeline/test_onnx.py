"""int8 in ONNX: what ONNX Runtime's quantiser can't take is named."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgefer.pipeline.export.to_onnx import to_qdq
from edgefer.runtime.errors import ExportFailed


def test_layer_norm_over_several_dimensions_is_named() -> None:
    scale = numpy_helper.from_array(np.ones((2, 4), np.float32), "scale")
    faces, answers = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 2, 4)) for name in ("faces", "y"))
    node = helper.make_node("LayerNormalization", ["faces", "scale"], ["y"], name="norm", axis=1)
    model = helper.make_model(helper.make_graph([node], "one", [faces], [answers], [scale]))
    onnx.checker.check_model(model)
    with pytest.raises(ExportFailed, match="the layer norm norm is over 2 dimensions"):
        to_qdq(model.SerializeToString(), {"faces": (0.0, 1.0), "y": (-1.0, 1.0)})
