"""TensorRT's own engine files, for programs that load them; they fit the GPU and the version that made them."""

from typing import Any

from pipeline.errors import EngineError


def built(graph: bytes, name: str, input_size: tuple[int, int], batch: int, *, dynamic: bool) -> bytes:
    """Return the engine of an ONNX graph, whose input ``name`` is (B, H, W, 3), for the GPU of this machine.

    ``dynamic``: for 1 to ``batch`` images of ``input_size`` (height, width). What is float16 in the graph, and nothing
    else, is computed in float16.

    Raises:
        EngineError: TensorRT refuses it, or there is no GPU.
    """
    import tensorrt

    try:
        builder = tensorrt.Builder(tensorrt.Logger(tensorrt.Logger.ERROR))
        network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = tensorrt.OnnxParser(network, tensorrt.Logger(tensorrt.Logger.ERROR))
        if not parser.parse(graph):
            raise EngineError(f"TensorRT refuses the network: {parser.get_error(0).desc()}")
        engine = builder.build_serialized_network(network, _config(builder, name, input_size, batch, dynamic=dynamic))
    except (RuntimeError, TypeError) as error:  # a builder without a GPU is a TypeError
        raise EngineError(f"TensorRT failed: {error}") from error
    if engine is None:
        raise EngineError("TensorRT can't build the network for this GPU; its log says why")
    return bytes(engine)


def _config(builder: Any, name: str, input_size: tuple[int, int], batch: int, *, dynamic: bool) -> Any:
    config = builder.create_builder_config()
    if dynamic:
        profile = builder.create_optimization_profile()
        most = (batch, *input_size, 3)
        profile.set_shape(name, (1, *input_size, 3), most, most)
        config.add_optimization_profile(profile)
    return config
