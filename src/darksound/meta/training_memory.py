"""Memory that training needs beside the images: what the network keeps for its gradients."""

from copy import deepcopy

import torch
from torch import Tensor

from darksound.device import resolve_device
from darksound.meta.device import autocast
from darksound.meta.learners.base import Learner
from darksound.meta.pieces import count_pieces
from darksound.settings import ComputeSettings

__all__ = ["training_bytes"]

# Rows of the trial batch: batch norm needs two.
_TRIAL_ROWS = 2
# The backward pass holds gradients of what the forward pass kept, and frees both as it proceeds.
# Measured with the small CNN and ResNet18 on CPU: 1.6 to 1.8 times what is kept.
_BACKWARD_FACTOR = 1.75
# Copies of the parameters beside the weights: their summed gradients and the two moments of Adam.
_PARAMETER_COPIES = 3


def training_bytes(
    learner: Learner, input_shape: tuple[int, ...], n_rows: int, compute: ComputeSettings
) -> float:
    """Return the memory in bytes that a training step adds to the learner and its inputs.

    Two rows of zeros pass a copy of the network, and the tensors that it keeps for the backward
    pass are counted.

    Args:
        learner: its parameters that need gradients are counted.
        input_shape: shape of the input of one ROI.
        n_rows: number of ROIs in a step.
        compute: names the device and the precision. On a GPU this is 0, since the memory is its.

    Raises:
        SettingsError: the device is not available.
    """
    device, dtype = resolve_device(compute)
    if device.type == "cuda":
        return 0.0
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    parameter_bytes = float(sum(parameter.nbytes for parameter in trained))
    copies = count_pieces(n_rows) + _PARAMETER_COPIES
    trial = deepcopy(learner).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in trial.state_dict().values()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            # Held until the end, so that no other tensor gets its address.
            kept[storage.data_ptr()] = storage
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, autocast(device, dtype):
        trial.features(torch.zeros(_TRIAL_ROWS, *input_shape))
    per_row = sum(storage.nbytes() for storage in kept.values()) / _TRIAL_ROWS
    return copies * parameter_bytes + _BACKWARD_FACTOR * n_rows * per_row
