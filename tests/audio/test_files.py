"""Reading audio files."""

import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from darksound.audio.files import SUFFIXES, FileReader, probe, read
from darksound.audio.formats.decoder import Decoder
from darksound.errors import InputError

RATE = 48_000


@pytest.fixture
def wave(song):
    return song(RATE, 1.5) * 0.5


def _write(path: Path, samples, rate=RATE, **kwargs) -> Path:
    sf.write(path, samples, rate, **kwargs)
    return path


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_16", 1e-4),
        ("a.WAV", "PCM_24", 1e-6),
        ("a.w64", "FLOAT", 0),
        ("a.Flac", "PCM_24", 1e-6),
        ("a.aiff", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 0.3),
        ("a.MP3", "MPEG_LAYER_III", 0.3),
    ],
)
def test_an_excerpt_equals_what_was_written(tmp_path, wave, name, subtype, tolerance):
    path = _write(tmp_path / name, wave, subtype=subtype, format=Path(name).suffix[1:].upper())
    assert path.suffix.lower() in SUFFIXES
    samples, rate = read(path, 0.5, 1.25, None)
    assert rate == RATE
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, wave[24_000:60_000], atol=tolerance)
    whole, _ = sf.read(path, dtype="float32")
    np.testing.assert_allclose(samples, whole[24_000:60_000], atol=1e-6)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.au", "a.caf"])
def test_every_value_of_16_bits_is_that_of_libsndfile(tmp_path, name):
    values = np.arange(-32_768, 32_768, dtype=np.int16)
    path = _write(tmp_path / name, np.stack([values, values[::-1]], 1), subtype="PCM_16")
    with path.open("rb", buffering=0) as file:
        samples = Decoder(file).read(len(values))
    np.testing.assert_array_equal(samples, sf.read(path, dtype="float32")[0])
    assert samples.dtype == np.float32


def test_the_first_channel_can_be_read_alone(tmp_path, wave):
    path = _write(tmp_path / "a.wav", np.stack([wave, -0.5 * wave], axis=1), subtype="FLOAT")
    mono = _write(tmp_path / "b.wav", wave, subtype="FLOAT")
    for rate in (None, 16_000):
        excerpt = FileReader().read(str(tmp_path), path.name, 0.1, 0.3, rate, channel="first")
        np.testing.assert_array_equal(excerpt[0], read(mono, 0.1, 0.3, rate)[0])
        np.testing.assert_array_equal(read(mono, 0.1, 0.3, rate, "first")[0], excerpt[0])


def test_channels_are_averaged(tmp_path, wave):
    channels = np.stack([wave, -0.5 * wave, 0.25 * wave, np.zeros_like(wave)], axis=1)
    path = _write(tmp_path / "a.wav", channels, subtype="FLOAT")
    assert probe(path).channels == 4
    np.testing.assert_allclose(read(path, 0, 1.5, None)[0], wave * 0.1875, atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 96_000, 192_000])
def test_audio_is_resampled_to_the_given_rate(tmp_path, rate):
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    path = _write(tmp_path / "a.wav", tone, rate, subtype="FLOAT")
    samples, new_rate = read(path, 0.25, 0.75, RATE)
    assert new_rate == RATE
    assert abs(len(samples) - RATE // 2) <= RATE / rate
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * RATE / len(samples) == pytest.approx(1000, abs=3)
    excerpt = tone[round(0.25 * rate) : round(0.75 * rate)]
    np.testing.assert_array_equal(samples, soxr.resample(excerpt, rate, RATE, "HQ"))


def test_an_excerpt_a_little_past_the_end_is_clipped_and_far_past_is_an_error(tmp_path, wave):
    path = _write(tmp_path / "a.wav", wave)
    assert len(read(path, 1.0, 1.9, None)[0]) == 24_000
    with pytest.raises(InputError, match=r"only 0\.100 s are there"):
        read(path, 1.4, 2.0, None)
    with pytest.raises(InputError, match=r"the file is 1\.500 s long"):
        read(path, 1.6, 2.0, None)


# Libsndfile calls this header's lack of a sound chunk an unspecified internal error.
_COMM = b"FORM\x00\x08\xca.AIFFCOMM\0\0\0\x12\0\x01\0\x04e\0\0\x10@\r\xbb\x80\0\0\0\0\0\0"


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("empty.wav", b"", "0 bytes"),
        ("text.wav", b"no sound at all\n" * 9, "not a sound file"),
        ("text.raw", b"no sound at all\n" * 9, "not a sound file"),
        ("riff.wav", b"RIFF\x24\0\0\0WAVEfmt ", "not a sound file"),
        ("no-sound-chunk.aiff", _COMM + b"S\x7f\xff\xff\xff" + bytes(500), "the decoder failed"),
    ],
)
def test_a_file_that_is_not_audio_is_an_error_with_its_cause(tmp_path, name, content, cause):
    path = tmp_path / name
    path.write_bytes(content)
    for call in (lambda: probe(path), lambda: read(path, 0, 1, None)):
        with pytest.raises(InputError, match=cause) as caught:
            call()
        assert name in str(caught.value)


def test_missing_files_folders_and_headers_without_samples_are_errors(tmp_path, wave):
    with pytest.raises(InputError, match="no such file"):
        probe(tmp_path / "none.wav")
    with pytest.raises(InputError, match="folder"):
        probe(tmp_path)
    path = _write(tmp_path / "a.wav", wave)
    path.write_bytes(path.read_bytes()[:44])
    with pytest.raises(InputError, match="header without samples"):
        probe(path)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_a_truncated_file_is_read_to_its_end_and_an_error_after_it(tmp_path, song, suffix):
    wave = song(RATE, 4)
    path = _write(tmp_path / f"a.{suffix}", wave)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert len(read(path, 0, 1, None)[0]) == RATE
    with pytest.raises(InputError, match=r"cut short|long; correct"):
        read(path, 3, 4, None)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_an_error(tmp_path, wave, value):
    wave[30_000] = value
    path = _write(tmp_path / "a.wav", wave, subtype="FLOAT")
    assert len(read(path, 0, 0.5, None)[0]) == 24_000
    with pytest.raises(InputError, match="not finite"):
        read(path, 0.5, 1, None)


# What macOS leaves beside `a.mp3` on a disk of another system: an AppleDouble file.
RESOURCE_FORK = b"\0\x05\x16\x07\0\x02\0\0Mac OS X        \0\x02\0\0\0\x09\0\0\0\x32" + bytes(4_000)


@pytest.mark.parametrize("suffix", ["mp3", "wav", "flac"])
def test_a_resource_fork_beside_a_file_does_not_matter(tmp_path, wave, suffix):
    path = _write(tmp_path / f"a.{suffix}", wave)
    alone, _ = read(path, 0.5, 1, None)
    (tmp_path / f"._a.{suffix}").write_bytes(RESOURCE_FORK)
    (tmp_path / ".AppleDouble").mkdir()
    (tmp_path / ".AppleDouble" / f"a.{suffix}").write_bytes(RESOURCE_FORK)
    np.testing.assert_array_equal(read(path, 0.5, 1, None)[0], alone)
    assert probe(path).problem is None
    with pytest.raises(InputError, match=rf"a resource fork of macOS.*name .* a\.{suffix}\."):
        probe(tmp_path / f"._a.{suffix}")


def _wav_header(rate: int, channels: int) -> bytes:
    fmt = struct.pack("<HHIIHH", 1, channels, rate, 0, 2 * channels & 0xFFFF, 16)
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + fmt + b"data\xff\xff\xff\xff"


@pytest.mark.parametrize("rate", [1, 99, 1_000_001, 2_000_000_000, 0xFFFF_FFFF])
def test_a_rate_that_no_recorder_has_is_an_error(tmp_path, rate):
    (tmp_path / "a.wav").write_bytes(_wav_header(rate, 1) + bytes(range(250)) * 40)
    with pytest.raises(InputError, match=r"a\.wav: (its header states|not a sound)"):
        probe(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [100, 250, 384_000, 500_000, 1_000_000])
def test_rates_of_recorders_are_read(tmp_path, rate):
    (tmp_path / "a.wav").write_bytes(_wav_header(rate, 1) + bytes(range(250)) * 40)
    assert probe(tmp_path / "a.wav").rate == rate


@pytest.mark.parametrize("channels", [0, 1025, 32_768, 65_535])
def test_absurd_numbers_of_channels_are_an_error_and_allocate_nothing(tmp_path, channels):
    (tmp_path / "a.wav").write_bytes(_wav_header(RATE, channels) + bytes(range(250)) * 40)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a\.wav.*[Cc]hannel"):
        probe(tmp_path / "a.wav")
    with pytest.raises(InputError, match=r"a\.wav.*[Cc]hannel"):
        read(tmp_path / "a.wav", 0, 3600, None)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_good_wav_file_is_probed_without_decoding(tmp_path, wave, monkeypatch):
    path = _write(tmp_path / "a.wav", wave)
    monkeypatch.setattr(Decoder, "read", lambda *_: pytest.fail("decoded"))
    assert probe(path).frames == len(wave)


def test_a_file_that_changes_is_probed_again(tmp_path, wave):
    path = _write(tmp_path / "a.wav", wave)
    assert probe(path).duration_s == 1.5
    _write(path, wave[:24_000])
    assert probe(path).duration_s == 0.5


def test_what_is_missing_is_in_the_info(tmp_path, wave):
    path = _write(tmp_path / "a.wav", wave)
    content = path.read_bytes()
    path.write_bytes(content[:-RATE])
    info = probe(path)
    assert (info.duration_s, info.missing_s) == (1.0, 0.5)
    assert info.problem == (
        f"{path}: truncated: its header states 1.5 s, the file has 1.0 s, which are used. "
        "Copy the file again if the original is complete."
    )


def test_silence_is_an_error(tmp_path, wave):
    wave[24_000:] = 0
    path = _write(tmp_path / "a.wav", wave)
    with pytest.raises(InputError, match="silent"):
        read(path, 0.5, 1, None)


def test_the_stamp_changes_with_size_and_time(tmp_path, wave):
    reader = FileReader()
    path = _write(tmp_path / "a.wav", wave)
    first = reader.stamp(str(tmp_path), "a.wav")
    assert reader.stamp(str(tmp_path), "a.wav") == first
    os.utime(path, ns=(1, 1))
    later = reader.stamp(str(tmp_path), "a.wav")
    _write(path, wave[:100])
    os.utime(path, ns=(1, 1))
    assert len({first, later, reader.stamp(str(tmp_path), "a.wav")}) == 3
    with pytest.raises(InputError, match="no such file"):
        reader.stamp(str(tmp_path), "b.wav")


@pytest.mark.audio
def test_compressed_recordings_are_read_by_seek_as_from_their_start(audio_root):
    for path in (
        min((audio_root / "phoebe").rglob("*.mp3")),
        min((audio_root / "british").rglob("*.ogg")),
    ):
        info = probe(path)
        whole, _ = sf.read(path, dtype="float32", always_2d=True)
        samples, rate = read(path, 2.0, 3.5, None)
        start = 2 * rate
        assert rate == info.rate
        np.testing.assert_allclose(
            samples, whole[start : start + len(samples)].mean(axis=1), atol=1e-6
        )
