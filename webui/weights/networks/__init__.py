"""diffusers' networks behind the one call that the denoiser makes."""

from webui.weights.networks.flux import FluxNetwork as FluxNetwork
from webui.weights.networks.sd3 import SD3Network as SD3Network
from webui.weights.networks.unet import UNetNetwork as UNetNetwork
