"""Errors of networks and servers."""

import email.utils
import socket
import time

import pytest
from tests.datasets import server as responses
from tests.datasets.archive_bytes import md5, zip_of
from tests.datasets.server import Server

from darksound.datasets.download import download
from darksound.datasets.registry import Mirror
from darksound.errors import DownloadError, SettingsError
from darksound.sources import load_rois

SPEC = "darksound-2024:test"


def fetched(sets, spec=SPEC):
    """Download a set, and check that `--data` finds it."""
    installed = download(spec, settings=sets.settings)
    rois = load_rois(spec, settings=sets.settings)
    assert len(rois) == installed[0].marker.n_clips == 6
    assert sorted(set(rois.table["label"])) == ["bird0", "bird1", "bird2"]
    assert not list((sets.root / "darksound-2024" / ".download").glob("*.part"))
    assert not list((sets.root / "darksound-2024").glob(".unpacking*"))
    return installed[0]


def refused(sets, match):
    """Check that a download fails and installs nothing; return the message."""
    with pytest.raises(DownloadError, match=match) as caught:
        download(SPEC, settings=sets.settings)
    assert not (sets.root / SPEC.replace(":", "/")).exists()
    assert "By hand: save the archive from" in str(caught.value)
    return str(caught.value)


def starts(server):
    """Return the first requested byte of each request."""
    return [request.start for request in server.requests]


def test_a_set_is_downloaded_once_and_its_marker_has_the_md5(sets, archive):
    sets.serve(archive, responses.correct)
    installed = fetched(sets)
    assert installed.fresh
    assert installed.marker.check.kind == "md5"
    assert installed.marker.archive_md5 == md5(archive)
    (again,) = download(SPEC, settings=sets.settings)
    assert not again.fresh
    assert len(sets.server.requests) == 1
    assert sets.server.requests[0].headers["Accept-Encoding"] == "identity"
    assert not list((sets.root / "darksound-2024" / ".download").glob("*.archive"))


def test_a_slow_server_is_no_error(sets, archive):
    sets.change_settings(read_timeout_s=2.0)
    sets.serve(archive, responses.slow(pause_s=0.1, blocks=24))
    fetched(sets)
    assert starts(sets.server) == [0]


def test_a_dropped_connection_is_resumed(sets, archive):
    cuts = (20_000, 50_000)
    sets.serve(archive, *map(responses.dropping, cuts), responses.correct)
    fetched(sets)
    assert starts(sets.server) == [0, *cuts]
    assert sum(request.sent for request in sets.server.requests) == len(archive)
    assert [request.headers.get("If-Range") for request in sets.server.requests] == [
        None,
        '"first"',
        '"first"',
    ]
    assert [1 <= sets.delays[0] <= 1.25, 2 <= sets.delays[1] <= 2.5] == [True, True]


def test_a_silent_server_is_requested_again_for_the_rest(sets, archive):
    sets.change_settings(read_timeout_s=2.0)
    sets.serve(archive, responses.silent(30_000, 5.0), responses.correct)
    fetched(sets)
    assert starts(sets.server) == [0, 30_000]


def test_without_ranges_the_download_restarts(sets, archive):
    sets.serve(archive, responses.no_range_dropping(30_000), responses.no_range)
    fetched(sets)
    assert starts(sets.server) == [0, 0]


def test_the_download_restarts_if_the_server_ignores_the_range(sets, archive):
    sets.serve(archive, responses.dropping(30_000), responses.no_range)
    fetched(sets)
    assert starts(sets.server) == [0, 30_000]
    assert sets.server.requests[1].sent == len(archive)


@pytest.mark.parametrize("shift", [-1000, 1000])
def test_a_wrong_range_is_not_used(sets, archive, shift):
    sets.serve(archive, responses.dropping(30_000), responses.wrong_range(shift), responses.correct)
    fetched(sets)
    assert starts(sets.server) == [0, 30_000, 0]


@pytest.mark.parametrize(
    "response",
    [responses.correct, responses.ignores_if_range],
    ids=["checks_if_range", "ignores_if_range"],
)
def test_a_changed_file_restarts_the_download(sets, archive, response):
    def drop_and_change(handler, resource, request):
        responses.dropping(30_000)(handler, resource, request)
        resource.content, resource.etag = archive, '"second"'

    resource = sets.serve(archive, drop_and_change, response)
    resource.content = bytes(reversed(archive))
    resource.content = b"PK\x03\x04" + resource.content[4:]
    fetched(sets)
    assert sets.server.requests[-1].sent == len(archive)


def test_a_file_that_changed_unnoticed_is_downloaded_once_more(sets, archive):
    # Without tag and date, only the md5 at the end shows the change.
    def drop_and_change(handler, resource, request):
        responses.dropping(30_000)(handler, resource, request)
        resource.content = archive

    resource = sets.serve(archive, drop_and_change, responses.correct, etag=None)
    resource.content = b"PK\x03\x04" + bytes(len(archive) - 4)
    fetched(sets)
    assert starts(sets.server) == [0, 30_000, 0]


def test_a_redirect_to_another_host_is_followed(sets, archive):
    storage = Server()
    try:
        target = storage.serve("/signed", archive)
        sets.serve(archive, responses.redirect(f"{target}?X-Goog-Signature=secret"))
        installed = fetched(sets)
    finally:
        storage.stop()
    assert installed.marker.source == sets.server.address("/test.zip")
    assert storage.requests[0].path == "/signed?X-Goog-Signature=secret"


@pytest.mark.parametrize("how", ["seconds", "date"])
def test_the_delay_requested_by_a_busy_server_is_kept(sets, archive, how):
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    after = "30" if how == "seconds" else date
    sets.serve(archive, responses.status(429, Retry_After=after), responses.correct)
    fetched(sets)
    assert sets.delays == [pytest.approx(30, abs=2)]


def test_a_server_that_requests_a_long_delay_is_not_retried(sets, archive):
    sets.serve(archive, responses.status(429, Retry_After="7200"), responses.correct)
    message = refused(
        sets, "answered 429 Too Many Requests and asks to wait 7200 s. Try again later"
    )
    assert sets.delays == []
    assert sets.server.address("/test.zip") in message


def test_temporary_errors_are_retried_with_growing_delays(sets, archive):
    sets.serve(archive, *[responses.status(503)] * 3, responses.correct)
    fetched(sets)
    assert len(sets.delays) == 3
    for wait, least in zip(sets.delays, (1, 2, 4), strict=True):
        assert least <= wait <= 1.25 * least


def test_the_number_of_attempts_is_limited(sets, archive):
    sets.change_settings(max_attempts=3)
    sets.serve(archive, responses.status(503, "<title>Down for\n the day</title>"))
    refused(sets, r"answered 503 Service Unavailable \('Down for the day'\)\. This is an error")
    assert len(sets.server.requests) == 3


def test_a_body_cut_short_without_a_length_is_an_error(sets, archive):
    sets.change_settings(max_attempts=3)
    sets.serve(archive, responses.lengthless(30_000))
    refused(sets, f"returned 30 kB with the md5 .*, but {md5(archive)} is required")
    # The same bytes came twice: another attempt is useless.
    assert len(sets.server.requests) == 2


def test_without_a_length_the_md5_shows_that_the_file_is_complete(sets, archive):
    sets.serve(archive, responses.lengthless())
    fetched(sets)


def test_chunked_transfer_is_decoded(sets, archive):
    sets.serve(archive, responses.chunked)
    fetched(sets)


def test_a_wrong_md5_is_not_unpacked_nor_retried(sets, archive):
    resource = sets.serve(archive)
    resource.content = zip_of({"test/owl/a.wav": b"other"})
    message = refused(sets, "is required. This is not the published file")
    assert md5(resource.content) in message
    assert md5(archive) in message
    assert len(sets.server.requests) == 1
    assert not list(sets.root.rglob("*.part"))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("<!DOCTYPE html><title>Hello</title>", "text/html", r"a web page \('Hello'\) instead of"),
        ("\n <html><title>Hi</title>", "application/zip", r"a web page \('Hi'\) instead of"),
        ("<html><title>Sign in</title>", "text/html", "It requires a login"),
        ("<html><title>Google Drive - Quota exceeded</title>", "text/html", "The download quota"),
        ("just words", "application/zip", "no archive .it begins with b'just words'"),
    ],
    ids=["html", "html called zip", "login", "quota", "text"],
)
def test_a_page_instead_of_an_archive_is_an_error(sets, archive, text, kind, message):
    sets.serve(archive, responses.page(text, kind))
    refused(sets, message)
    assert len(sets.server.requests) == 1


def test_an_unrequested_encoding_is_decoded(sets, archive):
    sets.serve(archive, responses.gzipped())
    fetched(sets)


def test_an_encoded_download_is_not_resumed(sets, archive):
    sets.serve(archive, responses.gzipped(cut=30_000), responses.gzipped())
    fetched(sets)
    assert starts(sets.server) == [0, 0]


def test_an_unknown_encoding_is_an_error(sets, archive):
    sets.serve(archive, responses.status(200, "x", Content_Encoding="br"))
    refused(sets, "answered in the encoding 'br', which was not requested")


def test_a_body_without_an_end_is_aborted(sets, archive):
    sets.change_settings(max_archive_gb=0.002)
    sets.serve(archive, responses.endless(most=50_000_000))
    refused(sets, "sent more than the 2 MB that are allowed")
    assert sets.server.requests[0].sent < 30_000_000
    assert not list(sets.root.rglob("*.part"))


def test_a_too_large_archive_is_not_downloaded(sets, archive):
    sets.change_settings(max_archive_gb=1e-5)
    sets.serve(archive)
    refused(sets, "would send .* kB, more than download.max_archive_gb allows")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (401, "answered 401 Unauthorized. It requires a login"),
        (403, "answered 403 Forbidden. The server denies access from this machine"),
        (404, "answered 404 Not Found. Check the address"),
        (407, "answered 407 Proxy Authentication Required. Check HTTPS_PROXY"),
        (418, "answered 418 I'm a Teapot"),
        (599, "answered 599 which is no known status"),
    ],
)
def test_each_status_has_its_own_advice(sets, archive, code, message):
    sets.change_settings(max_attempts=1)
    sets.serve(archive, responses.status(code))
    refused(sets, message)


def test_an_answering_proxy_is_named(sets, archive):
    sets.change_settings(max_attempts=1)
    sets.serve(
        archive, responses.status(503, X_Squid_Error="ERR_CONNECT_FAIL 101", Via="1.1 gate (squid)")
    )
    refused(sets, r"503 Service Unavailable, by way of the proxy 1\.1 gate \(squid\)")


def test_an_unreachable_proxy_is_an_error(sets, archive, monkeypatch):
    sets.serve(archive)
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{free_port()}")
    message = refused(sets, "the configured proxy does not forward the request. Check HTTPS_PROXY")
    assert "secret" not in message


def test_a_proxy_is_used(sets, archive, monkeypatch):
    # A request to a proxy has the complete address as its path.
    address = "http://sets.invalid/test.zip"
    sets.server.resources[address] = responses.Resource(archive)
    sets.publish(SPEC, archive, (Mirror("url", address, address),))
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", sets.server.address(""))
    fetched(sets)


def free_port():
    """Return a port of this machine on which no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_an_error(sets, archive):
    sets.change_settings(max_attempts=2)
    address = f"http://127.0.0.1:{free_port()}/test.zip"
    sets.publish(SPEC, archive, (Mirror("url", address, address),))
    message = refused(sets, f"{address} refused the connection. Check the address and its port")
    assert len(sets.delays) == 1
    assert "offline" not in message


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "the host name is unknown. Check the"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "no name server answers. This machine seems to"),
        (OSError(101, "Network is unreachable"), r"cannot be reached \(Network is unreachable\)"),
    ],
    ids=["no such host", "no name server", "no network"],
)
def test_a_missing_network_is_reported(sets, archive, monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    sets.change_settings(max_attempts=2)
    sets.publish(
        SPEC, archive, (Mirror("url", "http://sets.invalid/test.zip", "http://sets.invalid"),)
    )
    where = "getaddrinfo" if isinstance(error, socket.gaierror) else "socket"
    monkeypatch.setattr(socket, where, fail)
    if where == "socket":
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("203.0.113.1", 80))]
        )
    message = refused(sets, message)
    assert "This machine seems to be offline, as no mirror can be reached" in message
    assert sets.delays == []


def test_a_network_that_fails_meanwhile_is_retried(sets, archive, monkeypatch):
    real = socket.getaddrinfo

    def back_again(*args, **more):
        monkeypatch.setattr(socket, "getaddrinfo", real)
        raise socket.gaierror(socket.EAI_NONAME, "x")

    def drop_and_go(handler, resource, request):
        responses.dropping(30_000)(handler, resource, request)
        monkeypatch.setattr(socket, "getaddrinfo", back_again)

    sets.serve(archive, drop_and_go, responses.correct)
    fetched(sets)
    assert starts(sets.server) == [0, 30_000]
    assert len(sets.delays) == 2


def test_an_untrusted_certificate_is_an_error_and_a_trusted_one_is_not(
    sets, archive, certificate, monkeypatch
):
    secure = Server(certificate)
    try:
        address = secure.serve("/test.zip", archive)
        sets.publish(SPEC, archive, (Mirror("url", address, address),))
        refused(
            sets, r"is not accepted \(self[- ]signed certificate\)\. Check this machine's clock"
        )
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        fetched(sets)
    finally:
        secure.stop()


def test_a_redirect_without_encryption_is_not_followed(sets, archive, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    secure = Server(certificate)
    try:
        sets.serve(archive)
        address = secure.serve("/t", b"", responses.redirect(sets.server.address("/test.zip")))
        sets.publish(SPEC, archive, (Mirror("url", address, address),))
        refused(sets, "redirects to http://.*, without encryption")
    finally:
        secure.stop()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("ftp://sets.invalid/x", "is no valid web address"),
        ("/test.zip", "redirects without"),
    ],
)
def test_useless_redirects_are_errors(sets, archive, target, message):
    sets.serve(archive, responses.redirect(target))
    refused(sets, message)


def test_offline_sends_no_request_and_explains_the_import(sets, archive):
    sets.serve(archive)
    sets.change_settings(offline=True)
    message = refused(sets, "nothing is downloaded with --offline")
    assert sets.server.requests == []
    assert "darksound download ARCHIVE --as" in message


def test_a_full_disk_is_an_error_before_anything_is_written(sets, archive, monkeypatch):
    sets.serve(archive)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100_000})())
    with pytest.raises(DownloadError, match=r"needs about 1.. kB, but the disk of .* has 100 kB"):
        download(SPEC, settings=sets.settings)
    assert sets.server.requests[0].sent <= 2 * len(archive)
    assert not list(sets.root.rglob("*.part"))


def test_the_next_mirror_is_tried_and_every_failure_reported(sets, archive):
    bad = sets.server.serve("/bad.zip", b"", responses.status(404))
    worse = sets.server.serve("/worse.zip", b"", responses.status(403))
    sets.serve(archive)
    good = sets.server.address("/test.zip")
    sets.publish(SPEC, archive, (Mirror("url", bad, bad), Mirror("url", good, good)))
    assert fetched(sets).marker.source == good
    sets.publish(
        "darksound-2024:train", archive, (Mirror("url", bad, bad), Mirror("url", worse, worse))
    )
    with pytest.raises(DownloadError) as caught:
        download("darksound-2024", settings=sets.settings)
    assert str(caught.value).count(f"{bad} answered 404") == 1
    assert str(caught.value).count(f"{worse} answered 403") == 1


def test_the_mirror_in_the_settings_is_tried_first(sets, archive):
    sets.serve(archive)
    mine = sets.server.serve("/lab/darksound-2024/test.zip", archive)
    sets.change_settings(mirror=sets.server.address("/lab/"))
    assert fetched(sets).marker.source == mine
    assert [request.path for request in sets.server.requests] == ["/lab/darksound-2024/test.zip"]


def test_a_mirror_may_have_the_names_anywhere_and_its_md5_is_verified(sets, archive):
    sets.serve(archive)
    sets.server.serve("/lab/test-of-darksound-2024", zip_of({"test/owl/a.wav": b"other"}))
    sets.change_settings(mirror=sets.server.address("/lab/{split}-of-{set}"))
    assert fetched(sets).marker.source == sets.server.address("/test.zip")
    sets.change_settings(mirror=sets.server.address("/{lab}"))
    with pytest.raises(SettingsError, match="and no other braces"):
        download("darksound-2024:train", settings=sets.settings)
    with pytest.raises(SettingsError, match="must not contain a user or password"):
        sets.change_settings(mirror="https://me:secret@127.0.0.1/")
