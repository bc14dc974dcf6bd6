"""The description of the machine."""

import torch

from darksound.meta.device import describe_machine
from darksound.settings import Settings


def test_the_description_of_the_machine_names_what_results_depend_on():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        machine = describe_machine(
            Settings().replace(compute={"device": "cpu", "precision": "bfloat16"})
        )
    finally:
        torch.set_num_threads(before)
    assert (machine["device"], machine["precision"]) == ("cpu", "bfloat16")
    assert machine["processor"].endswith(torch.backends.cpu.get_cpu_capability())
    assert machine["blas"]
    assert machine["threads"] == "3"
    assert "embedding_model" not in machine
