"""What verify says of damage: which place, volume, member and messages."""
import gzip

from harness import Pop3d, Sled, fill_folder, message, volumes


def damaged(tmp):
    """A store whose copy has one byte turned in its last member."""
    server = Pop3d(tmp, folder=fill_folder(tmp / "mail", {
        f"m{i}": message(i) for i in range(1, 4)}))
    sled = Sled(tmp, {"home": server})
    assert sled.fetch().status == 0
    fill_folder(tmp / "mail", {"late": message(9), "later": message(10)})
    server.stop()
    server.start()
    sled.write()
    with server:
        assert sled.fetch().status == 0
    (volume,) = volumes(sled.copies[0])
    data = bytearray(volume.read_bytes())
    at = data.rindex(b"\x1f\x8b\x08\x04")
    assert gzip.decompress(data[at:])
    data[at + 100] ^= 1
    volume.chmod(0o644)
    volume.write_bytes(data)
    return sled, at


def test_damage_is_named_down_to_its_messages(tmp):
    sled, at = damaged(tmp)
    done = sled.run("verify", "--deep")
    assert done.status == 65, done
    first, *rest = [line for line in done.lines]
    assert first.startswith(f"{sled.copies[0]}: home/2"), done
    assert f" at {at}: " in first, done
    touched = [line for line in rest if line.startswith("  home/")]
    assert len(touched) == 2, done
    for line, number in zip(touched, (9, 10)):
        (row,) = [r for r in sled.list()
                  if r["subject"] == f"Note {number}"]
        for word in (f"home/{row['number']}", row["uidl"], row["id"],
                     row["from"], f"Note {number}"):
            assert word in line, (word, done)
    assert "1 faults" not in done.out and "1 fault" in done.out, done


def test_damage_as_json_has_each_message(tmp):
    sled, at = damaged(tmp)
    done = sled.run("--json", "verify", "--deep")
    assert done.status == 65, done
    events = [o for o in done.json if o.get("event") == "verify"]
    assert events and events[-1]["percent"] == 100, done
    assert [o["percent"] for o in events] == \
        sorted({o["percent"] for o in events}), done
    (fault,) = [o for o in done.reports if "fault" in o]
    assert (fault["place"], fault["at"]) == (str(sled.copies[0]), at), fault
    assert fault["volume"].startswith("home/2") and fault["messages"] == 2
    rows = {r["number"]: r for r in sled.list()}
    assert fault["touched"] == [rows[4], rows[5]], fault
