"""Options that several commands have, in the same words."""

from typing import Annotated

import typer

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE…", help="A file, a folder, a glob or a camera's URL; named: gate=rtsp://cam/1."),
]
Model = Annotated[str, typer.Option(help="A name or a file of weights.")]
Engine = Annotated[str, typer.Option(help="What runs the network: auto, openvino, onnxruntime, tensorrt, torch.")]
ImageSize = Annotated[
    str | None, typer.Option(help="Input of the network: 640, or HEIGHTxWIDTH. [default: the model's]")
]
Half = Annotated[bool, typer.Option("--half", help="Compute in float16, where the engine can.")]
Int8 = Annotated[bool, typer.Option("--int8", help="Compute in 8-bit integers, where the engine can.")]
Names = Annotated[
    str | None, typer.Option(help="Names of the classes: a,b,c, or a file, as of a data set. [default: the model's]")
]
Classes = Annotated[str | None, typer.Option(help="Only these, by number or name: 2,7 or car,truck.")]
Confidence = Annotated[float | None, typer.Option(min=0, max=1, help="Least confidence. [default: the model's]")]
Overlap = Annotated[float | None, typer.Option(min=0, max=1, help="Overlap for suppression. [default: the model's]")]
