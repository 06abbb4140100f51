"""A 3D U-Net for affinities or classes, and its layer graph as the container of petavox holds it.

Channels are multiples of 16 and skips are sums, because that is what the inference engine runs fastest. Batch
normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167) speeds up learning and is folded into the convolutions on export.
U-Net: Ronneberger et al. 2015, arXiv:1505.04597. Affinities from it: Lee et al. 2017, arXiv:1706.00120.
"""
import torch
from torch import nn
from torch.nn import functional

# Levels from fine to coarse. factor: how much coarser than the level before (z, y, x); encode, decode: kernels.
def four_levels(factor):
    """The same layers for both presets, so that one can be trained from the other's weights."""
    k = [3, 3, 3]
    return [
        {"channels": 16, "factor": [1, 1, 1], "encode": [k], "decode": [k]},
        {"channels": 32, "factor": factor, "encode": [k, k], "decode": [k]},
        {"channels": 64, "factor": factor, "encode": [k, k], "decode": [k]},
        {"channels": 96, "factor": factor, "encode": [k, k], "decode": []},
    ]


# Sections are too thick to be pooled across.
ARCHITECTURES = {"isotropic": four_levels([2, 2, 2]), "serial": four_levels([1, 2, 2])}


class ConvNormRelu(nn.Sequential):
    def __init__(self, channels_in, channels_out, kernel):
        super().__init__(
            nn.Conv3d(channels_in, channels_out, kernel, padding=[k // 2 for k in kernel], bias=False),
            nn.BatchNorm3d(channels_out), nn.ReLU(inplace=True))

    def folded(self):
        """Weight and bias of the convolution that does the same as convolution and normalisation."""
        conv, norm = self[0], self[1]
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return conv.weight * gain.view(-1, 1, 1, 1, 1), norm.bias - norm.running_mean * gain

    def unfold(self, weight, bias):
        """The inverse of `folded`, as far as there is one: a normalisation that takes 0 and 1 for mean and variance."""
        conv, norm = self[0], self[1]
        conv.weight.copy_(weight)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.copy_(bias)

    def renormalize(self, mean, variance):
        """Takes over the statistics of the convolution's output without a change of what the layer computes."""
        norm = self[1]
        shift = mean - norm.running_mean
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(gain * torch.sqrt(variance + norm.eps))
        norm.bias.add_(gain * shift)


def chain(channels_in, channels, kernels):
    return nn.ModuleList(ConvNormRelu(channels_in if i == 0 else channels, channels, kernel)
                         for i, kernel in enumerate(kernels))


class UNet(nn.Module):
    """(batch, 1, z, y, x) standardised image -> (batch, num_outputs, z, y, x) logits; zero padding, so same size."""

    def __init__(self, levels, num_outputs):
        super().__init__()
        self.levels = levels
        widths = [level["channels"] for level in levels]
        self.encode = nn.ModuleList(chain(1 if i == 0 else widths[i - 1], widths[i], level["encode"])
                                    for i, level in enumerate(levels))
        self.lift = nn.ModuleList(nn.Conv3d(widths[i + 1], widths[i], 1) for i in range(len(levels) - 1))
        self.decode = nn.ModuleList(chain(widths[i], widths[i], levels[i]["decode"]) for i in range(len(levels) - 1))
        self.head = nn.Conv3d(widths[0], num_outputs, 1)

    def forward(self, x):
        skips = []
        for i, level in enumerate(self.levels):
            if i > 0:
                x = functional.max_pool3d(x, level["factor"])
            for layer in self.encode[i]:
                x = layer(x)
            skips.append(x)
        for i in reversed(range(len(self.lift))):
            factor = [float(f) for f in self.levels[i + 1]["factor"]]
            x = functional.interpolate(self.lift[i](x), scale_factor=factor, mode="nearest") + skips[i]
            for layer in self.decode[i]:
                x = layer(x)
        return self.head(x)

    def multiple(self):
        """What the extent of a window must be a multiple of."""
        product = [1, 1, 1]
        for level in self.levels:
            product = [p * f for p, f in zip(product, level["factor"])]
        return product

    def named_convolutions(self):
        """(name in the layer graph, module) of all convolutions, with normalisation or without."""
        for i, layers in enumerate(self.encode):
            yield from ((f"encode{i}_{k}", layer) for k, layer in enumerate(layers))
        for i, layers in enumerate(self.decode):
            yield f"lift{i}", self.lift[i]
            yield from ((f"decode{i}_{k}", layer) for k, layer in enumerate(layers))
        yield "head", self.head

    def load_tensors(self, tensors, examples):
        """Begins with the weights of an exported model, name -> array, and computes the same as it does.

        Export folds the normalisations into the convolutions. They are set up again here, with their statistics measured on
        `examples`, image batches as in training: without, the first steps would destroy what was learned. Raises
        ValueError if the layers differ.
        """
        convolutions = dict(self.named_convolutions())
        needed = {f"{name}.{part}" for name in convolutions for part in ("weight", "bias")}
        if needed != set(tensors):
            raise ValueError(f"the layers {sorted(needed ^ set(tensors))} are not in both")
        with torch.no_grad():
            for name, module in convolutions.items():
                conv = module[0] if isinstance(module, ConvNormRelu) else module
                weight, bias = (torch.from_numpy(tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
                if weight.shape != conv.weight.shape or bias.shape != conv.weight.shape[:1]:
                    raise ValueError(f"{name} has weights of {list(weight.shape)}, needed are {list(conv.weight.shape)}")
                if isinstance(module, ConvNormRelu):
                    module.unfold(weight, bias)
                else:
                    module.weight.copy_(weight)
                    module.bias.copy_(bias)
            normalized = [module for module in convolutions.values() if isinstance(module, ConvNormRelu)]
            sums = {module: [] for module in normalized}
            hooks = [module[0].register_forward_hook(
                lambda _, __, output, module=module: sums[module].append(
                    torch.stack([output.mean((0, 2, 3, 4)), output.square().mean((0, 2, 3, 4))]))) for module in normalized]
            self.eval()
            for images in examples:
                self(images)
            for hook in hooks:
                hook.remove()
            for module in normalized:
                mean, square = torch.stack(sums[module]).mean(0)
                module.renormalize(mean, (square - mean.square()).clamp(min=1e-6))

    def graph(self):
        """(layers, tensors): the layers in order of evaluation, and their weights by name."""
        layers, tensors = [], {}

        def add(name, op, inputs, **values):
            layers.append({"name": name, "op": op, "inputs": inputs, **values})
            return name

        def conv(name, source, weight, bias, relu):
            tensors[name + ".weight"], tensors[name + ".bias"] = weight.detach(), bias.detach()
            return add(name, "conv", [source], channels=weight.shape[0], kernel=list(weight.shape[2:]), relu=relu,
                       weight=name + ".weight", bias=name + ".bias")

        at, skips = "image", []
        for i, level in enumerate(self.levels):
            if i > 0:
                at = add(f"pool{i}", "max_pool", [at], factor=level["factor"])
            for k, layer in enumerate(self.encode[i]):
                at = conv(f"encode{i}_{k}", at, *layer.folded(), relu=True)
            skips.append(at)
        for i in reversed(range(len(self.lift))):
            at = conv(f"lift{i}", at, self.lift[i].weight, self.lift[i].bias, relu=False)
            at = add(f"up{i}", "upsample", [at], factor=self.levels[i + 1]["factor"])
            at = add(f"sum{i}", "add", [at, skips[i]])
            for k, layer in enumerate(self.decode[i]):
                at = conv(f"decode{i}_{k}", at, *layer.folded(), relu=True)
        at = conv("head", at, self.head.weight, self.head.bias, relu=False)
        add("result", "sigmoid", [at])
        return layers, tensors
