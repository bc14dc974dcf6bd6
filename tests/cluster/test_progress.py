"""Every stage of the progress that is opened is closed."""

import darksound as ds


def test_reducer_that_needs_no_seed_closes_its_stage():
    last = {}

    def progress(stage, done, total, values=None):
        last[stage] = (done, total)

    settings = ds.Settings().replace(mec={"iterations": 0}, reduction={"method": "pca"})
    ds.mec("demo:val", settings=settings, progress=progress)
    assert last["reducing"][1] > 1  # several runs were planned
    assert {stage for stage, (done, total) in last.items() if done < total} == set()
