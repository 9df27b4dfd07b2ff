"""Int8 TFLite files of made networks, written through the schema: no converter takes part, so they cost nothing."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

SAME, VALID = 0, 1
# Of the int8 kernels, by BuiltinOperator.
_VERSIONS = {0: 2, 2: 2, 3: 3, 4: 3, 9: 4, 14: 2, 17: 2, 18: 2, 25: 2, 34: 2, 39: 2, 40: 2}
Shape = tuple[int, ...]


class MadeNetwork:
    """A network that is written operator by operator; weights and scales come from the seed."""

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._operators: list[Any] = []
        self._codes: list[int] = []
        self.input = self._add(shape, 1.0, -128)

    def shape(self, tensor: int) -> Shape:
        return tuple(self._tensors[tensor].shape)

    def _add(self, shape: Shape, scale: Any = None, zero_point: int = 0, data: NDArray[Any] | None = None) -> int:
        tensor = schema.TensorT()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = schema.TensorType.INT8 if data is None or data.dtype == np.int8 else schema.TensorType.INT32
        tensor.name = f"tensor{len(self._tensors)}"
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
            tensor.quantization.quantizedDimension = 0 if data is None or data.ndim != 4 or shape[0] > 1 else 3
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _operator(self, name: str, inputs: list[int], output: int, options: Any = None) -> int:
        code = getattr(schema.BuiltinOperator, name)
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(operator)
        return output

    def _scale(self, tensor: int) -> np.float32:
        return np.float32(self._tensors[tensor].quantization.scale[0])

    def _zero(self, activation: int) -> int:
        return -128 if activation else int(self.random.integers(-100, 100))

    def _weights(self, x: int, shape: Shape, channels: int, axis: int) -> tuple[list[int], np.float32]:
        """Weights, biases, and an output scale that spreads the outputs over int8."""
        weights = self.random.integers(-127, 128, shape).astype(np.int8)
        scales = self.random.uniform(0.001, 0.004, channels).astype(np.float32)
        fan = int(np.prod(shape)) // channels
        biases = self.random.integers(-2000, 2000, channels).astype(np.int32)
        w = self._add(shape, scales, data=weights)
        self._tensors[w].quantization.quantizedDimension = axis
        b = self._add((channels,), self._scale(x) * scales, data=biases)
        return [x, w, b], np.float32(self._scale(x) * 0.0025 * 73 * np.sqrt(fan))

    def _after(self, size: int, window: int, stride: int, padding: int) -> int:
        return -(-size // stride) if padding == SAME else (size - window) // stride + 1

    def conv(
        self, x: int, channels: int, window: tuple[int, int], stride: int = 1, padding: int = SAME, activation: int = 0
    ) -> int:
        _, height, width, inputs = self.shape(x)
        operands, scale = self._weights(x, (channels, *window, inputs), channels, 0)
        options = schema.Conv2DOptionsT()
        options.padding, options.fusedActivationFunction = padding, activation
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        shape = (
            1,
            *(self._after(n, k, stride, padding) for n, k in zip((height, width), window, strict=True)),
            channels,
        )
        return self._operator("CONV_2D", operands, self._add(shape, scale, self._zero(activation)), options)

    def depthwise(
        self, x: int, window: tuple[int, int] = (3, 3), stride: int = 1, padding: int = SAME, activation: int = 0
    ) -> int:
        _, height, width, channels = self.shape(x)
        operands, scale = self._weights(x, (1, *window, channels), channels, 3)
        options = schema.DepthwiseConv2DOptionsT()
        options.padding, options.fusedActivationFunction, options.depthMultiplier = padding, activation, 1
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = 1
        shape = (
            1,
            *(self._after(n, k, stride, padding) for n, k in zip((height, width), window, strict=True)),
            channels,
        )
        return self._operator("DEPTHWISE_CONV_2D", operands, self._add(shape, scale, self._zero(activation)), options)

    def pad(self, x: int, top: int, bottom: int, left: int, right: int) -> int:
        *batch, height, width, channels = self.shape(x)
        amounts = np.array([*([0, 0] for _ in batch), [top, bottom], [left, right], [0, 0]], np.int32)
        output = self._like(x, (*batch, height + top + bottom, width + left + right, channels))
        return self._operator("PAD", [x, self._add(amounts.shape, data=amounts)], output, schema.PadOptionsT())

    def _like(self, x: int, shape: Shape) -> int:
        return self._add(shape, self._scale(x), int(self._tensors[x].quantization.zeroPoint[0]))

    def max_pool(self, x: int, window: int, stride: int, padding: int) -> int:
        _, height, width, channels = self.shape(x)
        options = schema.Pool2DOptionsT()
        options.padding, options.strideH, options.strideW = padding, stride, stride
        options.filterHeight = options.filterWidth = window
        output = self._like(x, (1, *(self._after(n, window, stride, padding) for n in (height, width)), channels))
        return self._operator("MAX_POOL_2D", [x], output, options)

    def mean(self, x: int) -> int:
        options = schema.ReducerOptionsT()
        axes = self._add((2,), data=np.array([1, 2], np.int32))
        output = self._add((1, self.shape(x)[3]), self._scale(x) * np.float32(0.4), int(self.random.integers(-60, 60)))
        return self._operator("MEAN", [x, axes], output, options)

    def reshape(self, x: int, shape: Shape) -> int:
        options = schema.ReshapeOptionsT()
        options.newShape = np.array(shape, np.int32)
        wanted = self._add((len(shape),), data=np.array(shape, np.int32))
        return self._operator("RESHAPE", [x, wanted], self._like(x, shape), options)

    def logistic(self, x: int) -> int:
        return self._operator("LOGISTIC", [x], self._add(self.shape(x), 1 / 256, -128))

    def multiply(self, x: int, y: int) -> int:
        output = self._add(self.shape(x), self._scale(x) * np.float32(0.7), int(self.random.integers(-60, 60)))
        return self._operator("MUL", [x, y], output, schema.MulOptionsT())

    def add(self, x: int, y: int) -> int:
        scale = np.float32(1.3) * max(self._scale(x), self._scale(y))
        output = self._add(self.shape(x), scale, int(self.random.integers(-60, 60)))
        return self._operator("ADD", [x, y], output, schema.AddOptionsT())

    def concatenate(self, tensors: list[int], axis: int) -> int:
        shape = list(self.shape(tensors[0]))
        shape[axis] = sum(self.shape(tensor)[axis] for tensor in tensors)
        options = schema.ConcatenationOptionsT()
        options.axis = axis
        return self._operator("CONCATENATION", tensors, self._like(tensors[0], tuple(shape)), options)

    def transpose(self, x: int, order: Shape) -> int:
        wanted = self._add((len(order),), data=np.array(order, np.int32))
        output = self._like(x, tuple(self.shape(x)[axis] for axis in order))
        return self._operator("TRANSPOSE", [x, wanted], output, schema.TransposeOptionsT())

    def connect(self, x: int, channels: int) -> int:
        operands, scale = self._weights(x, (channels, int(np.prod(self.shape(x)))), channels, 0)
        output = self._add((1, channels), scale, self._zero(0))
        return self._operator("FULLY_CONNECTED", operands, output, schema.FullyConnectedOptionsT())

    def softmax(self, x: int) -> int:
        # A deep network's activations can be so large that C refuses a small scale: numbers of 2^22 outputs' steps.
        scale = max(self.random.uniform(0.01, 0.3), float(self._scale(x)) / 100)
        self._tensors[x].quantization.scale = np.array([scale], np.float32)
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self._operator("SOFTMAX", [x], self._add(self.shape(x), 1 / 256, -128), options)

    def unary(self, name: str, x: int) -> int:
        """An operator without options."""
        return self._operator(name, [x], self._like(x, self.shape(x)))

    def attention(self, x: int) -> int:
        """ECA as the converter writes it: each channel by the sigmoid of three means."""
        channels = self.shape(x)[3]
        means = self.reshape(self.mean(x), (1, 1, channels, 1))
        gate = self.logistic(self.depthwise(means, (1, 3)))
        return self.multiply(x, self.reshape(gate, (1, 1, channels)))

    def file(self, output: int) -> bytes:
        """The file of the network whose output that tensor is."""
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = np.array([self.input], np.int32), np.array([output], np.int32)
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self._buffers
        model.operatorCodes = []
        for code in self._codes:
            described = schema.OperatorCodeT()
            described.builtinCode, described.deprecatedBuiltinCode, described.version = (
                code,
                min(code, 127),
                _VERSIONS.get(code, 1),
            )
            model.operatorCodes.append(described)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
