"""Resolution of device and precision."""

import pytest
import torch

from darksound.errors import SettingsError
from darksound.meta.device import autocast, describe_machine, resolve_device
from darksound.settings import ComputeSettings


def test_auto_precision_is_bfloat16_only_if_the_hardware_has_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    for native, expected in ((True, torch.bfloat16), (False, None)):
        monkeypatch.setattr(
            torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native, raising=False
        )
        assert resolve_device(ComputeSettings(device="cpu")) == (torch.device("cpu"), expected)
    forced = ComputeSettings(device="cpu", precision="bfloat16")
    assert resolve_device(forced)[1] is torch.bfloat16
    with autocast(*resolve_device(forced)):
        assert (torch.zeros(2, 2) @ torch.zeros(2, 2)).dtype is torch.bfloat16


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((6, 1), None), ((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_auto_precision_on_a_gpu_is_the_type_of_its_tensor_cores(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert resolve_device(ComputeSettings()) == (torch.device("cuda"), expected)


def test_a_missing_device_is_a_settings_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"compute\.device is 'cuda'"):
        resolve_device(ComputeSettings(device="cuda"))
    assert resolve_device(ComputeSettings(device="auto"))[0].type == "cpu"


def test_the_description_of_the_machine_names_what_results_depend_on():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        machine = describe_machine(ComputeSettings(device="cpu", precision="bfloat16"))
    finally:
        torch.set_num_threads(before)
    assert (machine["device"], machine["precision"]) == ("cpu", "bfloat16")
    assert machine["processor"].endswith(torch.backends.cpu.get_cpu_capability())
    assert machine["blas"]
    assert machine["threads"] == "3"
