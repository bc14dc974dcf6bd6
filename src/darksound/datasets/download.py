"""Download published sets, or import archives that the user downloaded."""

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from darksound.datasets import registry
from darksound.datasets.archives import ArchiveError
from darksound.datasets.client import (
    Client,
    checked,
    custom_mirror,
    host_of,
    is_address,
    redacted,
    request_archive,
)
from darksound.datasets.disk import ByteProgress, hash_file, new_md5
from darksound.datasets.failures import MirrorError, UndeliveredError
from darksound.datasets.install import (
    InstalledSplit,
    InstallPlan,
    archive_lock,
    install,
    plan_installation,
)
from darksound.datasets.marker import read_split_state
from darksound.datasets.registry import (
    Mirror,
    PublishedSplit,
    archive_folder,
    archive_name,
    select_splits,
    splits_of,
)
from darksound.datasets.retries import RetryPolicy
from darksound.datasets.transfer import (
    FileRequest,
    LocalFile,
    delete_archive,
    fetch,
    find_fetched,
)
from darksound.errors import DownloadError, InputError
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.settings.compute import Credentials

__all__ = ["download"]

logger = logging.getLogger(__name__)


def download(
    *what: str,
    settings: Settings | None = None,
    named: str | None = None,
    md5: str | None = None,
    credentials: Credentials | None = None,
    progress: Progress = silent,
) -> tuple[InstalledSplit, ...]:
    """Install published sets: verify those on disk, and download the others.

    Args:
        what: published sets such as `darksound-2024:test` or `darksound-2023`; or the path or
            address of one archive.
        settings: mirrors, limits and the data folder; None: the defaults.
        named: the set that an archive holds, as `SET` or `SET:SPLIT`; None: found by its md5.
        md5: the md5 that an archive must have.
        credentials: by kind of mirror; see `darksound.settings.compute.credentials_from`.
        progress: receives megabytes and numbers of files.

    Returns:
        The requested splits, and others from the same archive. `load_rois` finds them by name.

    Raises:
        InputError: there is no such set, split or file.
        SettingsError: the address of the mirror is not valid.
        DownloadError: an archive cannot be downloaded, is damaged, or cannot be written.

    Examples:
        >>> import darksound as ds
        >>> try:
        ...     ds.download("darksound-2025:test")
        ... except ds.InputError as error:
        ...     print(error)
        darksound-2025:test is neither a published set nor an existing archive; sets are
        darksound-2023, darksound-2024.
    """
    session = _Session(settings if settings is not None else Settings(), credentials, progress)
    try:
        archives = [each for each in what if each.partition(":")[0] not in registry.REGISTRY]
        if archives:
            if len(what) > 1:
                raise InputError(f"{archives[0]} is an archive; name nothing else beside it.")
            return tuple(_import_archive(archives[0], named, md5, session))
        if named is not None or md5 is not None:
            raise InputError("--as and --md5 are for an archive; give its path or address.")
        return tuple(_install_sets(select_splits(*what), session))
    finally:
        session.client.close()


class _Session:
    """The settings and the HTTP client of one call of `download`."""

    def __init__(
        self, settings: Settings, credentials: Credentials | None, progress: Progress
    ) -> None:
        self.compute = settings.compute
        self.download = settings.download
        self.credentials = credentials or {}
        self.progress = progress
        self.client = Client(settings.download)
        # By address: mirrors of whole sets that failed are not tried again for the next split.
        self.failed: dict[str, MirrorError] = {}

    def fetch(
        self, mirror: Mirror, split: PublishedSplit, name: str, md5: str | None, exclusive: bool
    ) -> LocalFile:
        """Download the archive of a mirror, unless it is complete on disk.

        `split` is the split, or any split of a whole set; `name` is the file name of the archive.
        """
        request = FileRequest(
            path=archive_folder(self.compute, split.set_name) / name,
            address=redacted(mirror.address),
            checksum=md5,
            what=split.set_name if mirror.whole_set else split.spec,
            whole_set=mirror.whole_set,
        )
        existing = find_fetched(request, self.progress) if exclusive else None
        return existing or fetch(
            request,
            lambda headers: request_archive(self.client, mirror, headers, self.credentials),
            self.download,
            RetryPolicy(self.download),
            exclusive=exclusive,
            progress=self.progress,
        )

    def install(
        self, archive: LocalFile, splits: Sequence[PublishedSplit], plan: InstallPlan, name: str
    ) -> list[InstalledSplit]:
        """Install splits of an archive of which this process holds the lock `name`."""
        return install(
            archive,
            splits,
            plan.replaced,
            lock_name=name,
            compute=self.compute,
            limits=self.download,
            progress=self.progress,
        )

    def plan(self, splits: Sequence[PublishedSplit]) -> InstallPlan:
        """Return what to install of an imported archive; raise the errors of all splits."""
        plan = plan_installation(splits, self.compute, self.progress)
        if plan.errors:
            raise DownloadError("\n  ".join(plan.errors))
        return plan

    def install_missing(
        self, archive: LocalFile, plan: InstallPlan, name: str, given_md5: str | None
    ) -> list[InstalledSplit]:
        """Install the missing splits from an imported archive; return all that were planned."""
        installed = list(plan.installed.values())
        if not plan.missing:
            return installed
        check = None if given_md5 is None else "given"
        if not archive.whole_set and archive.checksum == plan.missing[0].md5:
            check = "md5"
        return installed + self.install(replace(archive, check=check), plan.missing, plan, name)


def _install_sets(splits: Sequence[PublishedSplit], session: _Session) -> list[InstalledSplit]:
    """Install splits, set by set; raise the errors of all of them at the end."""
    all_installed: list[InstalledSplit] = []
    errors: list[str] = []
    for _, group in groupby(splits, key=lambda split: split.set_name):
        plan = plan_installation(list(group), session.compute, session.progress)
        installed = dict(plan.installed)
        errors += plan.errors
        undelivered: dict[PublishedSplit, Sequence[DownloadError]] = {}
        for split in plan.missing:
            if split.name in installed:
                continue
            try:
                fetched = _from_mirrors(split, plan, session)
                installed |= {each.split.name: each for each in fetched}
            except UndeliveredError as error:
                undelivered[split] = error.causes
            except DownloadError as error:
                errors.append(str(error))
        if undelivered:
            errors.append(_undelivered_text(undelivered))
        all_installed += installed.values()
    if errors:
        raise DownloadError("\n  ".join(errors))
    return all_installed


def _from_mirrors(
    split: PublishedSplit, plan: InstallPlan, session: _Session
) -> list[InstalledSplit]:
    """Install a split from the first mirror that delivers it."""
    if session.download.offline:
        raise DownloadError(
            f"{split.spec} is missing or damaged, and nothing is downloaded with --offline. "
            f"{_manual_download(split)}"
        )
    address = session.download.mirror
    custom = [] if address is None else [custom_mirror(address, split)]
    mirrors = [*custom, *split.mirrors]
    causes = [session.failed[m.address] for m in mirrors if m.address in session.failed]
    errors: list[DownloadError] = []
    for mirror in mirrors:
        if mirror.address in session.failed:
            continue
        if errors:
            logger.info("%s: a mirror failed; trying %s.", split.spec, host_of(mirror.address))
        try:
            installed = _from_mirror(mirror, split, plan, session)
        except (MirrorError, ArchiveError) as error:
            errors.append(error)
            if mirror.whole_set and isinstance(error, MirrorError):
                session.failed[mirror.address] = error
            continue
        # Not before, because the error has all causes where no mirror delivers.
        for cause in errors:
            logger.info("A mirror of %s failed: %s", split.spec, cause)
        return installed
    raise UndeliveredError(split.spec, [*causes, *errors])


def _undelivered_text(undelivered: Mapping[PublishedSplit, Sequence[DownloadError]]) -> str:
    """Return the message on splits of one set that no mirror delivered; each cause occurs once."""
    errors = [error for causes in undelivered.values() for error in causes]
    offline = all(isinstance(error, MirrorError) and error.cause.network for error in errors)
    summary = f"No mirror delivered {'it' if len(undelivered) == 1 else 'them'}"
    if offline:
        summary = "This machine seems to be offline, as no mirror can be reached"
    specs = ", ".join(split.spec for split in undelivered)
    lines = [*dict.fromkeys(f"- {error}" for error in errors), _manual_download(*undelivered)]
    return "\n  ".join([f"{specs} could not be downloaded. {summary}:", *lines])


def _from_mirror(
    mirror: Mirror, split: PublishedSplit, plan: InstallPlan, session: _Session
) -> list[InstalledSplit]:
    """Install a split, and others that its archive holds."""
    name = archive_name(split.set_name, None if mirror.whole_set else split.name)
    with archive_lock(split.set_name, name, session.compute) as exclusive:
        state = read_split_state(split, session.compute)
        if state.marker is not None and split.name not in plan.replaced:
            return [InstalledSplit(split, state.folder, state.marker, fresh=False)]
        md5 = None if mirror.whole_set else split.md5
        archive = session.fetch(mirror, split, name, md5, exclusive)
        splits = [split]
        if mirror.whole_set:
            # The archive is downloaded once for all splits that are missing or damaged.
            splits += [
                sibling
                for sibling in registry.REGISTRY[split.set_name].splits.values()
                if sibling != split
                and (
                    sibling.name in plan.replaced
                    or not read_split_state(sibling, session.compute).exists
                )
            ]
        with _deleted_after_use(archive, exclusive):
            installed = session.install(archive, splits, plan, name)
            if all(each.split.name != split.name for each in installed):
                raise ArchiveError(f"The archive holds no {split.name}.")
    return installed


@contextmanager
def _named_errors(archive: LocalFile) -> Iterator[None]:
    """Add the source of an archive to the message of an `ArchiveError`."""
    try:
        yield
    except ArchiveError as error:
        raise ArchiveError(f"{archive.source}: {error}") from None


@contextmanager
def _deleted_after_use(archive: LocalFile, exclusive: bool) -> Iterator[None]:
    """Delete an archive after the block, or if it raises `ArchiveError`.

    After another error, such as a full disk, the archive is kept for the next attempt.
    """
    try:
        with _named_errors(archive):
            yield
    except ArchiveError:
        delete_archive(archive.path, exclusive)
        raise
    delete_archive(archive.path, exclusive)


def _manual_download(*splits: PublishedSplit) -> str:
    """Return how to download splits by hand."""
    pages = dict.fromkeys(
        f"{mirror.page} (then --as {split.set_name if mirror.whole_set else split.spec})"
        for split in splits
        for mirror in split.mirrors
    )
    return (
        f"By hand: save the archive from {' or '.join(pages)}, and import it with "
        f"`darksound download ARCHIVE --as ...`."
    )


def _import_archive(
    where: str, named: str | None, md5: str | None, session: _Session
) -> list[InstalledSplit]:
    """Install the splits of an archive from a path or address."""
    if md5 is not None and not re.fullmatch(r"[0-9a-fA-F]{32}", md5):
        raise InputError(f"--md5 {md5!r} is no md5, which has 32 hexadecimal digits.")
    import_from = _import_address if is_address(where) else _import_file
    return import_from(where, named, None if md5 is None else md5.lower(), session)


def _import_file(
    where: str, named: str | None, md5: str | None, session: _Session
) -> list[InstalledSplit]:
    path = Path(where).expanduser().resolve()
    if path.is_dir():
        raise InputError(
            f"{path} is a folder, not an archive; sound files in a folder need no import: use "
            f"--data {where}."
        )
    if not path.is_file():
        raise InputError(
            f"{where} is neither a published set nor an existing archive; sets are "
            f"{', '.join(registry.REGISTRY)}."
        )
    reading = ByteProgress(f"Read {path.name}", session.progress, path.stat().st_size)
    file_md5 = hash_file(path, new_md5(), reading.update)
    reading.close()
    if md5 is not None and file_md5 != md5:
        raise DownloadError(
            f"{path} has the md5 {file_md5}, but {md5} is required: it is another archive, or was "
            f"damaged; download it again."
        )
    splits, whole_set = _identify(path.name, named, file_md5)
    plan = session.plan(splits)
    archive = LocalFile(path, str(path), file_md5, whole_set, check=None)
    name = archive_name(splits[0].set_name, None if whole_set else splits[0].name)
    with archive_lock(splits[0].set_name, name, session.compute), _named_errors(archive):
        return session.install_missing(archive, plan, name, md5)


def _import_address(
    where: str, named: str | None, md5: str | None, session: _Session
) -> list[InstalledSplit]:
    address = checked(where)
    if session.download.offline:
        raise DownloadError(
            f"{address} is not downloaded with --offline; save it on another machine and import "
            f"the file."
        )
    splits, whole_set = _identify(address, named, md5)
    split, plan = splits[0], session.plan(splits)
    if not plan.missing:
        return list(plan.installed.values())
    # The name is unique, since archives of one split from several addresses may differ.
    unique = hashlib.sha256(where.encode()).hexdigest()[:8]
    name = archive_name(split.set_name, unique if whole_set else f"{split.name}-{unique}")
    mirror = Mirror("url", where, page=address, whole_set=whole_set)
    with archive_lock(split.set_name, name, session.compute) as exclusive:
        archive = session.fetch(mirror, split, name, md5, exclusive)
        with _deleted_after_use(archive, exclusive):
            return session.install_missing(archive, plan, name, md5)


def _identify(what: str, named: str | None, md5: str | None) -> tuple[list[PublishedSplit], bool]:
    """Return the splits that an archive holds, and whether it is of a whole set."""
    by_md5 = {split.md5: split for split in splits_of(registry.REGISTRY)}
    identified = None if md5 is None else by_md5.get(md5)
    if named is None:
        if identified is None:
            raise InputError(
                f"The set of {what} is unknown: its md5 is none of the published ones. Name the "
                f"set with --as, such as --as darksound-2024:test, or --as darksound-2023 for an "
                f"archive of all splits."
            )
        return [identified], False
    splits = select_splits(named)
    if identified is not None:
        if identified not in splits:
            raise InputError(f"{what} is {identified.spec} by its md5, not {named}; correct --as.")
        return [identified], False
    return splits, ":" not in named
