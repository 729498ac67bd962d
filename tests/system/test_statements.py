"""Statements as they come: bytes of any kind, cut files, rows that cannot be compared."""

import pytest
from rounds import COLUMNS, make_rows, to_csv

HEADER = ",".join(COLUMNS)
ROW = "1999-01-01 00:00:00,1,p,1,1,0,0,0,Brücke,P"


def send(server, content: bytes, headers=None, **params):
    headers = {"Content-Type": "text/csv", "Prefer": "wait=60", **(headers or {})}
    return server.post("/v1/reconciliations", content=content, params=params, headers=headers)


def listed(server) -> list[str]:
    answer = server.get("/v1/reconciliations")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


class TestBytesOfAnyKind:
    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            (b"1999-01-01 00:00:00,2,p\xff,1,1,0,0,0,g,P", "user_id p\ufffd"),
            (b"1999-01-01 00:00:00,2,p,1,x\xff\xfe,0,0,0,g,P", "real_amount_bet x\ufffd\ufffd"),
            (b"1999-01-01 00:00:00\xff,2,p,1,1,0,0,0,g,P", "created_timestamp 1999-01-01 00:00:00\ufffd"),
            (b"too few fields,\xc3", "too few fields,\ufffd"),
        ],
    )
    def test_a_value_with_an_invalid_byte_is_shown_with_a_mark(self, server, line, shown):
        content = f"{HEADER}\n{ROW}\n".encode() + line + b"\n"
        answer = send(server, content, encoding="utf-8")
        assert answer.status_code == 200, answer.text
        reconciliation = answer.json()
        assert (reconciliation["state"], reconciliation["rows"]["rejected"]) == ("done", 1)
        (example,) = reconciliation["rejected_examples"]
        assert example["row"] == 2 and shown in example["detail"], example
        assert server.get(answer.headers["Location"]).json() == reconciliation
        assert reconciliation["id"] in listed(server)

    @pytest.mark.parametrize("line", ["é" * 1000, "1999-01-01 00:00:00,2,p,1," + "é" * 1000 + ",0,0,0,g,P"])
    def test_a_long_value_is_cut_between_characters(self, server, line):
        for shift in ("", "x"):
            answer = send(server, f"{HEADER}\n{ROW}\n{line.replace('é', shift + 'é', 1)}\n".encode())
            (example,) = answer.json()["rejected_examples"]
            assert 250 < len(example["detail"].encode()) < 330 and "\ufffd" not in example["detail"]


def test_a_damaged_record_does_not_hide_the_others(start_server, rng):
    server = start_server()
    ids = [send(server, to_csv(make_rows(rng, 5)).encode()).json()["id"] for _ in range(4)]
    assert listed(server) == ids[::-1]
    record = server.data / "reconciliations" / ids[2] / "record.json"
    record.write_bytes(record.read_bytes()[:-20])
    for _ in range(2):  # and the same after a restart
        page = server.get("/v1/reconciliations", params={"limit": 2}).json()
        assert [one["id"] for one in page["data"]] == [ids[3], ids[1]]
        page = server.get("/v1/reconciliations", params={"limit": 2, "cursor": page["next_cursor"]}).json()
        assert [one["id"] for one in page["data"]] == [ids[0]] and page["next_cursor"] is None
        answer = server.get(f"/v1/reconciliations/{ids[2]}")
        assert (answer.status_code, answer.json()["code"]) == (500, "record_damaged")
        assert "Reconcile again" in answer.json()["detail"] and "boost" not in answer.text
        server.kill()
        server.start()


def test_a_record_with_an_invalid_byte_is_read(start_server, rng):
    """As releases before this one wrote them."""
    server = start_server()
    answer = send(server, f"{HEADER}\n{ROW}\n1999-01-01 00:00:00,2,@@,1,x,0,0,0,g,P\n".encode())
    record = server.data / "reconciliations" / answer.json()["id"] / "record.json"
    record.write_bytes(record.read_bytes().replace(b"real_amount_bet x", b"real_amount_bet \xff"))
    server.kill()
    server.start()
    (example,) = server.get(answer.headers["Location"]).json()["rejected_examples"]
    assert "real_amount_bet \ufffd" in example["detail"]
    assert listed(server) == [answer.json()["id"]]
