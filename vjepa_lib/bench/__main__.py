"""`python -m vjepa_lib.bench` prints the table."""

from vjepa_lib.bench.bench import one_thread, run, table, training_step_share

if __name__ == "__main__":
    print(table(run()))
    with one_thread():
        for name in ("mini", "small"):
            s = training_step_share(name)
            print(
                f"{s.what}: {s.milliseconds:.1f} ms, {s.clips_per_second:.0f} clips/s on one core, "
                f"{100 * s.share:.0f} % of the float32 matrix peak measured here (goal 60 %)"
            )
