"""What a network and a server can do wrong, each once."""

import email.utils
import socket
import time

import pytest
from tests.datasets import server as manners
from tests.datasets.building import md5, zip_of
from tests.datasets.server import Server

from darksound.datasets.command import download
from darksound.datasets.registry import Mirror
from darksound.errors import DownloadError, SettingsError
from darksound.sources import load_rois

SPEC = "darksound-2024:test"


def fetched(world, spec=SPEC):
    """Downloads, and sees that `--data` finds what came."""
    receipts = download(spec, settings=world.settings)
    rois = load_rois(spec, settings=world.settings)
    assert len(rois) == receipts[0].marker.clips == 6
    assert sorted(set(rois.table["label"])) == ["bird0", "bird1", "bird2"]
    assert not list((world.root / "darksound-2024" / ".download").glob("*.part"))
    assert not list((world.root / "darksound-2024").glob(".unpacking*"))
    return receipts[0]


def refused(world, match):
    """Downloads, and sees that nothing is left in the final place; the message."""
    with pytest.raises(DownloadError, match=match) as caught:
        download(SPEC, settings=world.settings)
    assert not (world.root / SPEC.replace(":", "/")).exists()
    assert "By hand: save the archive from" in str(caught.value)
    return str(caught.value)


def starts(server):
    """The first byte that each request asked for."""
    return [asked.start for asked in server.asked]


def test_a_set_is_fetched_once_and_says_what_vouches_for_it(world, archive):
    world.offer(archive, manners.well)
    receipt = fetched(world)
    assert receipt.fresh
    assert receipt.marker.check.kind == "md5"
    assert receipt.marker.archive_md5 == md5(archive)
    (again,) = download(SPEC, settings=world.settings)
    assert not again.fresh
    assert len(world.server.asked) == 1
    assert world.server.asked[0].headers["Accept-Encoding"] == "identity"
    assert not list((world.root / "darksound-2024" / ".download").glob("*.archive"))


def test_a_slow_server_is_waited_for(world, archive):
    world.change(read_timeout_s=0.7)
    world.offer(archive, manners.slow(pause_s=0.1, blocks=8))
    fetched(world)
    assert starts(world.server) == [0]


def test_a_connection_that_drops_is_gone_on_with_where_it_broke(world, archive):
    cuts = (20_000, 50_000)
    world.offer(archive, *map(manners.dropping, cuts), manners.well)
    fetched(world)
    assert starts(world.server) == [0, *cuts]
    assert sum(asked.sent for asked in world.server.asked) == len(archive)
    assert [asked.headers.get("If-Range") for asked in world.server.asked] == [
        None,
        '"first"',
        '"first"',
    ]
    assert [1 <= world.waits[0] <= 1.25, 2 <= world.waits[1] <= 2.5] == [True, True]


def test_a_server_that_falls_silent_is_asked_again_for_the_rest(world, archive):
    world.change(read_timeout_s=0.5)
    world.offer(archive, manners.silent(30_000, 2.0), manners.well)
    fetched(world)
    assert starts(world.server) == [0, 30_000]


def test_without_ranges_it_starts_again(world, archive):
    world.offer(archive, manners.no_range_dropping(30_000), manners.no_range)
    fetched(world)
    assert starts(world.server) == [0, 0]


def test_a_server_that_ignores_a_range_is_taken_from_the_beginning(world, archive):
    world.offer(archive, manners.dropping(30_000), manners.no_range)
    fetched(world)
    assert starts(world.server) == [0, 30_000]
    assert world.server.asked[1].sent == len(archive)


@pytest.mark.parametrize("shift", [-1000, 1000])
def test_the_wrong_range_is_not_taken(world, archive, shift):
    world.offer(archive, manners.dropping(30_000), manners.wrong_range(shift), manners.well)
    fetched(world)
    assert starts(world.server) == [0, 30_000, 0]


@pytest.mark.parametrize("manner", [manners.well, manners.heedless], ids=["heeds", "heedless"])
def test_another_file_between_tries_starts_from_nothing(world, archive, manner):
    def drop_and_change(handler, resource, asked):
        manners.dropping(30_000)(handler, resource, asked)
        resource.content, resource.etag = archive, '"second"'

    resource = world.offer(archive, drop_and_change, manner)
    resource.content = bytes(reversed(archive))
    resource.content = b"PK\x03\x04" + resource.content[4:]
    fetched(world)
    assert world.server.asked[-1].sent == len(archive)


def test_a_file_that_changed_unseen_is_fetched_once_more(world, archive):
    # Neither tag nor date: only the md5 at the end tells.
    def drop_and_change(handler, resource, asked):
        manners.dropping(30_000)(handler, resource, asked)
        resource.content = archive

    resource = world.offer(archive, drop_and_change, manners.well, etag=None)
    resource.content = b"PK\x03\x04" + bytes(len(archive) - 4)
    fetched(world)
    assert starts(world.server) == [0, 30_000, 0]


def test_a_redirect_to_another_host_is_followed(world, archive):
    storage = Server()
    try:
        target = storage.serve("/signed", archive)
        world.offer(archive, manners.redirect(f"{target}?X-Goog-Signature=secret"))
        receipt = fetched(world)
    finally:
        storage.stop()
    assert receipt.marker.source == world.server.address("/test.zip")
    assert storage.asked[0].path == "/signed?X-Goog-Signature=secret"


@pytest.mark.parametrize("how", ["seconds", "date"])
def test_a_busy_server_is_given_the_time_that_it_asks_for(world, archive, how):
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    after = "30" if how == "seconds" else date
    world.offer(archive, manners.status(429, Retry_After=after), manners.well)
    fetched(world)
    assert world.waits == [pytest.approx(30, abs=2)]


def test_who_asks_for_too_long_a_wait_is_left(world, archive):
    world.offer(archive, manners.status(429, Retry_After="7200"), manners.well)
    said = refused(world, "answered 429 Too Many Requests and asks to wait 7200 s. Try again later")
    assert world.waits == []
    assert world.server.address("/test.zip") in said


def test_a_fault_that_passes_is_waited_out_longer_each_time(world, archive):
    world.offer(archive, *[manners.status(503)] * 3, manners.well)
    fetched(world)
    assert len(world.waits) == 3
    for wait, least in zip(world.waits, (1, 2, 4), strict=True):
        assert least <= wait <= 1.25 * least


def test_a_fault_that_does_not_pass_ends_after_so_many_tries(world, archive):
    world.change(max_attempts=3)
    world.offer(archive, manners.status(503, "<title>Down for\n the day</title>"))
    refused(world, r"answered 503 Service Unavailable \('Down for the day'\)\. The fault is on")
    assert len(world.server.asked) == 3


def test_a_body_cut_short_is_gone_on_with_or_told(world, archive):
    world.change(max_attempts=3)
    world.offer(archive, manners.lengthless(30_000))
    refused(world, f"gave 30 kB with the md5 .*, but {md5(archive)} is wanted")
    # The second time the same bytes came: no use to go on.
    assert len(world.server.asked) == 2


def test_without_a_length_the_md5_tells_that_all_came(world, archive):
    world.offer(archive, manners.lengthless())
    fetched(world)


def test_chunks_are_put_together(world, archive):
    world.offer(archive, manners.chunked)
    fetched(world)


def test_wrong_bytes_are_not_unpacked_nor_fetched_twice(world, archive):
    resource = world.offer(archive)
    resource.content = zip_of({"test/owl/a.wav": b"other"})
    said = refused(world, "is wanted. What is there is not what was published")
    assert md5(resource.content) in said
    assert md5(archive) in said
    assert len(world.server.asked) == 1
    assert not list(world.root.rglob("*.part"))


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("<!DOCTYPE html><title>Hello</title>", "text/html", r"a web page \('Hello'\) instead of"),
        ("\n <html><title>Hi</title>", "application/zip", r"a web page \('Hi'\) instead of"),
        ("<html><title>Sign in</title>", "text/html", "It wants a login"),
        ("<html><title>Google Drive - Quota exceeded</title>", "text/html", "Too many people"),
        ("just words", "application/zip", "no archive .it begins with b'just words'"),
    ],
    ids=["html", "html called zip", "login", "quota", "text"],
)
def test_a_page_instead_of_an_archive_is_told(world, archive, text, kind, said):
    world.offer(archive, manners.page(text, kind))
    refused(world, said)
    assert len(world.server.asked) == 1


def test_an_encoding_that_nobody_asked_for_is_taken_off(world, archive):
    world.offer(archive, manners.gzipped())
    fetched(world)


def test_encoded_bytes_and_ranges_are_not_mixed(world, archive):
    world.offer(archive, manners.gzipped(cut=30_000), manners.gzipped())
    fetched(world)
    assert starts(world.server) == [0, 0]


def test_an_encoding_that_is_unknown_is_told(world, archive):
    world.offer(archive, manners.status(200, "x", Content_Encoding="br"))
    refused(world, "answered in the encoding 'br', unasked")


def test_a_body_without_an_end_is_broken_off(world, archive):
    world.change(max_archive_gb=0.002)
    world.offer(archive, manners.endless(most=50_000_000))
    refused(world, "goes on after the 2 MB that it may have")
    assert world.server.asked[0].sent < 30_000_000
    assert not list(world.root.rglob("*.part"))


def test_an_archive_that_would_be_too_long_is_not_begun(world, archive):
    world.change(max_archive_gb=1e-5)
    world.offer(archive)
    refused(world, "would send .* kB, more than download.max_archive_gb allows")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (401, "answered 401 Unauthorized. It wants a login"),
        (403, "answered 403 Forbidden. The server does not give it to this machine"),
        (404, "answered 404 Not Found. Check the address"),
        (407, "answered 407 Proxy Authentication Required. Check HTTPS_PROXY"),
        (418, "answered 418 I'm a Teapot"),
        (599, "answered 599 which is no known status"),
    ],
)
def test_each_status_has_its_own_advice(world, archive, code, said):
    world.change(max_attempts=1)
    world.offer(archive, manners.status(code))
    refused(world, said)


def test_a_proxy_that_answers_in_the_servers_place_is_named(world, archive):
    world.change(max_attempts=1)
    world.offer(
        archive, manners.status(503, X_Squid_Error="ERR_CONNECT_FAIL 101", Via="1.1 gate (squid)")
    )
    refused(world, r"503 Service Unavailable, by way of the proxy 1\.1 gate \(squid\)")


def test_a_proxy_that_is_not_there_is_told(world, archive, monkeypatch):
    world.offer(archive)
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{free_port()}")
    said = refused(world, "the proxy that is set does not let it through. Check HTTPS_PROXY")
    assert "secret" not in said


def test_a_proxy_is_used(world, archive, monkeypatch):
    # To a proxy the whole address is the path.
    address = "http://sets.invalid/test.zip"
    world.server.resources[address] = manners.Resource(archive)
    world.publish(SPEC, archive, (Mirror("url", address, address),))
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTP_PROXY", world.server.address(""))
    fetched(world)


def free_port():
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_there_is_told(world, archive):
    world.change(max_attempts=2)
    address = f"http://127.0.0.1:{free_port()}/test.zip"
    world.publish(SPEC, archive, (Mirror("url", address, address),))
    said = refused(world, f"{address} refused the connection. Check the address and its port")
    assert len(world.waits) == 1
    assert "offline" not in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "no host of this name is known. Check the"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "no name server answers. This machine seems to"),
        (OSError(101, "Network is unreachable"), r"cannot be reached \(Network is unreachable\)"),
    ],
    ids=["no such host", "no name server", "no network"],
)
def test_a_machine_without_network_is_told_so(world, archive, monkeypatch, error, said):
    def fail(*_, **__):
        raise error

    world.change(max_attempts=2)
    world.publish(
        SPEC, archive, (Mirror("url", "http://sets.invalid/test.zip", "http://sets.invalid"),)
    )
    where = "getaddrinfo" if isinstance(error, socket.gaierror) else "socket"
    monkeypatch.setattr(socket, where, fail)
    if where == "socket":
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("203.0.113.1", 80))]
        )
    message = refused(world, said)
    assert "This machine seems to be offline, as no mirror can even be reached" in message
    assert world.waits == []


def test_a_network_that_goes_away_meanwhile_is_waited_for(world, archive, monkeypatch):
    real = socket.getaddrinfo

    def back_again(*args, **more):
        monkeypatch.setattr(socket, "getaddrinfo", real)
        raise socket.gaierror(socket.EAI_NONAME, "x")

    def drop_and_go(handler, resource, asked):
        manners.dropping(30_000)(handler, resource, asked)
        monkeypatch.setattr(socket, "getaddrinfo", back_again)

    world.offer(archive, drop_and_go, manners.well)
    fetched(world)
    assert starts(world.server) == [0, 30_000]
    assert len(world.waits) == 2


def test_an_untrusted_certificate_is_told_and_a_trusted_one_works(
    world, archive, certificate, monkeypatch
):
    secure = Server(certificate)
    try:
        address = secure.serve("/test.zip", archive)
        world.publish(SPEC, archive, (Mirror("url", address, address),))
        refused(
            world, r"is not accepted \(self[- ]signed certificate\)\. Check this machine's clock"
        )
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        fetched(world)
    finally:
        secure.stop()


def test_a_redirect_that_gives_up_encryption_is_not_followed(
    world, archive, certificate, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    secure = Server(certificate)
    try:
        world.offer(archive)
        address = secure.serve("/t", b"", manners.redirect(world.server.address("/test.zip")))
        world.publish(SPEC, archive, (Mirror("url", address, address),))
        refused(world, "led to http://.*, without encryption")
    finally:
        secure.stop()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("ftp://sets.invalid/x", "is no address that can be asked"),
        ("/test.zip", "redirects without"),
    ],
)
def test_redirects_to_nowhere_are_told(world, archive, target, said):
    world.offer(archive, manners.redirect(target))
    refused(world, said)


def test_offline_asks_nobody_and_says_what_to_do(world, archive):
    world.offer(archive)
    world.change(offline=True)
    said = refused(world, "nothing is fetched with --offline")
    assert world.server.asked == []
    assert "darksound download ARCHIVE --as" in said


def test_a_full_disk_is_told_before_anything_is_written(world, archive, monkeypatch):
    world.offer(archive)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100_000})())
    with pytest.raises(DownloadError, match=r"needs about 1.. kB, but the disk of .* has 100 kB"):
        download(SPEC, settings=world.settings)
    assert world.server.asked[0].sent <= 2 * len(archive)
    assert not list(world.root.rglob("*.part"))


def test_the_next_mirror_is_asked_and_every_failure_told(world, archive):
    bad = world.server.serve("/bad.zip", b"", manners.status(404))
    world.offer(archive)
    good = world.server.address("/test.zip")
    world.publish(SPEC, archive, (Mirror("url", bad, bad), Mirror("url", good, good)))
    assert fetched(world).marker.source == good
    world.publish("darksound-2024:train", archive, (Mirror("url", bad, bad),) * 2)
    with pytest.raises(DownloadError) as caught:
        download("darksound-2024", settings=world.settings)
    assert str(caught.value).count(f"{bad} answered 404") == 2


def test_a_mirror_that_a_person_names_is_asked_first(world, archive):
    world.offer(archive)
    mine = world.server.serve("/lab/darksound-2024/test.zip", archive)
    world.change(mirror=world.server.address("/lab/"))
    assert fetched(world).marker.source == mine
    assert [asked.path for asked in world.server.asked] == ["/lab/darksound-2024/test.zip"]


def test_a_mirror_may_have_the_names_anywhere_and_is_no_more_trusted(world, archive):
    world.offer(archive)
    world.server.serve("/lab/test-of-darksound-2024", zip_of({"test/owl/a.wav": b"other"}))
    world.change(mirror=world.server.address("/lab/{split}-of-{set}"))
    assert fetched(world).marker.source == world.server.address("/test.zip")
    world.change(mirror=world.server.address("/{lab}"))
    with pytest.raises(SettingsError, match="and no other braces"):
        download("darksound-2024:train", settings=world.settings)
    with pytest.raises(SettingsError, match="must not hold a user or password"):
        world.change(mirror="https://me:secret@127.0.0.1/")
