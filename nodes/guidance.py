"""Nodes for guidance in layers: how strongly text, expression and speech are each followed."""

from __future__ import annotations

from comfy_api.latest import io

from .sockets import ADVANCED

# In the order in which they are laid on, with what users usually take.
LAYERS = {
    "text": (1.0, "the prompt"),
    "portrait": (4.0, "the faces' expressions"),
    "speech": (1.0, "the speech"),
}


def layer_inputs() -> list[io.Input]:
    """Scale, range and reuse of each layer, scales first."""
    scales, details = [], []
    for name, (usual, what) in LAYERS.items():
        scales.append(
            io.Float.Input(
                f"{name}_scale",
                default=usual,
                min=0.0,
                max=30.0,
                step=0.1,
                tooltip=f"How strongly to follow {what}. 1 costs no pass of its own. Usual: {usual:g}.",
            )
        )
        details += [
            io.Float.Input(
                f"{name}_start",
                default=0.0,
                min=0.0,
                max=1.0,
                step=0.01,
                tooltip=f"Where in the schedule the guidance by {what} begins. Usual: 0.",
                extra_dict=ADVANCED,
            ),
            io.Float.Input(
                f"{name}_end",
                default=1.0,
                min=0.0,
                max=1.0,
                step=0.01,
                tooltip=f"Where in the schedule the guidance by {what} ends; afterwards its pass is saved. Usual: 1.",
                extra_dict=ADVANCED,
            ),
            io.Int.Input(
                f"{name}_every",
                default=1,
                min=1,
                max=10,
                tooltip=f"Compute the guidance by {what} every so many steps and reuse it in between. Faster, a little "
                "less exact; the last fifth of the steps is always computed. Usual: 1; 2 saves a fifth of all passes.",
                extra_dict=ADVANCED,
            ),
        ]
    masks = [
        io.Mask.Input(
            f"{name}_region",
            optional=True,
            tooltip=f"Where the guidance by {what} is strengthened; elsewhere its scale is 1. Open: everywhere.",
        )
        for name, (_, what) in LAYERS.items()
    ]
    return [*scales, *details, *masks]


def guidance_of(values: dict):
    """The engine's guidance from the widgets of ``layer_inputs``.

    An adapter's layer of scale 1 is left out, as in the published code: the adapter is on in every pass then.
    """
    from ..engine.guidance import Guidance, Layer

    layers = [
        Layer(
            name,
            values.get(f"{name}_scale", 1.0),
            start=values[f"{name}_start"],
            end=values[f"{name}_end"],
            every=values[f"{name}_every"],
            region=values.get(f"{name}_region"),
        )
        for name in LAYERS
    ]
    return Guidance(tuple(layer for layer in layers if layer.name == "text" or layer.scale != 1))


class LayeredGuider(io.ComfyNode):
    """A guider for SamplerCustomAdvanced."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeLayeredGuider",
            display_name="Layered Guider",
            category="Troupe/wan",
            description="Guides by prompt, expression and speech separately, each with its own strength and range. "
            "For SamplerCustomAdvanced.",
            inputs=[
                io.Model.Input("model", tooltip="From Apply Cast."),
                io.Conditioning.Input("positive", tooltip="From WanImageToVideo."),
                io.Conditioning.Input("negative", tooltip="From WanImageToVideo."),
                *layer_inputs(),
            ],
            outputs=[io.Guider.Output(display_name="guider")],
        )

    @classmethod
    def execute(cls, model, positive, negative, **values) -> io.NodeOutput:
        from ..host.guider import LayeredGuider as Guider

        guider = Guider(model, guidance_of(values))
        guider.set_conds(positive, negative)
        return io.NodeOutput(guider)


class LayeredCFG(io.ComfyNode):
    """The same for plain KSampler, whose cfg is the text layer's scale."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeLayeredCFG",
            display_name="Layered CFG",
            category="Troupe/wan",
            description="Adds guidance by expression and speech to a model, for KSampler, whose cfg guides by the prompt.",
            inputs=[
                io.Model.Input("model", tooltip="From Apply Cast."),
                *[i for i in layer_inputs() if i.id != "text_scale"],
            ],
            outputs=[io.Model.Output(display_name="model")],
        )

    @classmethod
    def execute(cls, model, **values) -> io.NodeOutput:
        from ..host.guider import add_layered_cfg

        return io.NodeOutput(add_layered_cfg(model, guidance_of(values)))


class FlowSigmas(io.ComfyNode):
    """The schedule of the published code."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeFlowSigmas",
            display_name="Flow Sigmas",
            category="Troupe/wan",
            description="The steps that FantasyPortrait and FantasyTalking are published with, for SamplerCustomAdvanced.",
            inputs=[
                io.Int.Input("steps", default=30, min=1, max=1000, tooltip="How many steps. Usual: 30."),
                io.Float.Input(
                    "shift",
                    default=5.0,
                    min=0.01,
                    max=100.0,
                    step=0.01,
                    tooltip="More gives the early, coarse steps more room. Set ModelSamplingSD3 to the same. Usual: 5.",
                ),
            ],
            outputs=[io.Sigmas.Output(display_name="sigmas")],
        )

    @classmethod
    def execute(cls, steps, shift) -> io.NodeOutput:
        from ..engine.guidance import flow_sigmas

        return io.NodeOutput(flow_sigmas(steps, shift))
