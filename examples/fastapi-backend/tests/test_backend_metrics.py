"""What Prometheus is told of the shared secrets, and who is not."""

from __future__ import annotations

from pathlib import Path

import httpx
from service import Service

from leakscan import Scanner, make_canary


def test_metrics_count_what_users_did_and_are_for_those_who_may_list(tmp_path: Path) -> None:
    canary = make_canary()
    with Service(tmp_path, SHARED_USERS="alice") as service, service.client("alice") as alice:
        alice.post("/shared/SMTP_PASSWORD", json={"value": canary})
        for _ in range(3):
            assert alice.post("/shared/SMTP_PASSWORD/sign", json={"payload": "order 7"}).status_code == 200
        with service.client("bob") as bob:
            assert bob.get("/shared").status_code == 403
            refused = bob.get("/metrics")
            assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
        assert httpx.get(f"{alice.base_url}/metrics").status_code == 401
        answer = alice.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = answer.text.splitlines()
        for sample in (
            'strongroom_secret_access_total{result="success"} 4',
            'strongroom_secret_access_total{result="denied"} 1',
            'strongroom_events_total{action="get",result="success"} 3',
        ):
            assert sample in lines, answer.text
        assert Scanner(canary).find("metrics", answer.content) == []
