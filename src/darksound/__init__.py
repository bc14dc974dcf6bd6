"""Groups the bird sounds of unlabelled recordings into call types.

    import darksound as ds

    learner = ds.train("demo:train")
    scores = ds.evaluate("demo:test", learner)
    result = ds.mec("recordings/", learner)
    result.save("runs/first")

Names are imported on first use, so that `import darksound` imports neither torch nor pandas; the
names and their modules are in `__init__.pyi`.
"""

import lazy_loader

_get, _dir, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("darksound")
    return _get(name)


def __dir__() -> list[str]:
    return [*_dir(), "__version__"]
