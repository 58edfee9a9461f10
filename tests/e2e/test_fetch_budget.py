"""Budgets and windows: they end before they are passed."""
from harness import Pop3d, Sled

LINK = "[link lo]\ncost = 1.00 USD/MiB, min 5KiB\nbudget = {}\n"


def budgeted(tmp, server, budget):
    sled = Sled(tmp, {"home": server}, copies=1)
    sled.config.write_text(sled.config.read_text() + "\n" +
                           LINK.format(budget))
    return sled


def test_a_budget_of_bytes_ends_before_it_is_passed(tmp):
    with Pop3d(tmp, "--generate", "40,20000") as server:
        sled = budgeted(tmp, server, "200KiB/day")
        done = sled.run("--json", "fetch", "--link", "lo")
        row = [o for o in done.json if "listed" in o and "event" not in o][0]
        assert done.status == 75 and row["left"] > 0, done
        assert 4 <= row["fetched"] <= 10, row
        again = row["retrans"] * 1500  # what no one can foresee
        assert row["wire_down"] + row["wire_up"] <= (200 << 10) + again, row
        before = server.retrs()
        assert sled.run("fetch", "--link", "lo").status == 75
        assert server.retrs() - before <= 1
    used, = [o["budgets"] for o in sled.run("--json", "status").json
             if "budgets" in o]
    assert 0 < used[0]["used"] <= (200 << 10) + again, used


def test_a_price_a_mib_is_pro_rata(tmp):
    with Pop3d(tmp, "--generate", "2,2000") as server:
        sled = budgeted(tmp, server, "1.00 USD/day")
        assert sled.run("fetch", "--link", "lo").status == 0
        assert sled.run("fetch", "--link", "lo").status == 0


def test_a_link_that_has_no_section_is_a_mistake(tmp):
    """Else a misspelt name would lift `visit = no` and send by whatever."""
    with Pop3d(tmp, "--generate", "2,2000") as server:
        sled = Sled(tmp, {"home": server}, copies=1)
        assert sled.fetch().status == 0  # now the interface is known
        config = sled.config.read_text()
        sled.config.write_text(config + "\n[link lo]\nvisit = no\n")
        for command in ("fetch", "held"):
            done = sled.run(command, "--link", "sat")
            assert done.status == 64 and "sat" in done.err, done
        assert sled.run("fetch").status == 75
        assert sled.run("fetch", "--link", "lo").status == 0
        sled.config.write_text(config + "\n[link default]\n")
        assert sled.run("fetch", "--link", "sat").status == 0
