"""Resolution of device and precision, and copies between the devices."""

import pytest
import torch
from tests.fake_gpu import NoWaiting, fake_gpu

from darksound.device import download_in_order, fits_on_device, resolve_device, upload
from darksound.errors import SettingsError
from darksound.meta.device import autocast
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


def test_uploads_do_not_wait_and_keep_shape_and_type():
    with fake_gpu() as gpu, NoWaiting():
        moved = upload(torch.arange(6).reshape(2, 3), gpu)
        assert (moved.device, moved.shape, moved.dtype) == (gpu, (2, 3), torch.int64)


def test_downloads_come_in_order_and_are_computed_ahead():
    computed = []

    def parts():
        for i in range(5):
            computed.append(i)
            yield torch.full((2,), i)

    assert [int(part[0]) for part in download_in_order(parts())] == [0, 1, 2, 3, 4]
    with fake_gpu() as gpu, NoWaiting():
        results = download_in_order(torch.zeros(i, device=gpu) for i in range(6))
        assert [(len(part), part.device.type) for part in results] == [(i, "cpu") for i in range(6)]


def test_inputs_may_fill_half_of_the_free_memory_of_a_gpu():
    with fake_gpu(free_bytes=1000) as gpu:
        assert fits_on_device(500, gpu)
        assert not fits_on_device(501, gpu)
        assert not fits_on_device(1, torch.device("cpu"))
