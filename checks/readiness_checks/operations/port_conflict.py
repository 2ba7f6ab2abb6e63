from collections import defaultdict

from readiness import RATIO, Answer, Observation, check
from readiness.facts.target import Services
from readiness.profile import Service


@check(
    subject="service",
    universe="services with an address",
    priority="P1",
    effort="S",
    credit=RATIO,
    mend="Give each service an address of its own, in its configuration and in the profile.",
)
def port_conflict(services: Services) -> Answer:
    """No two services are declared at one address.

    Of two services on one port only one starts; the other's health check then asks the wrong one, and is told that all
    is well. `localhost` and 127.0.0.1 are one host.
    """
    at: dict[tuple[str, int | None], list[str]] = defaultdict(list)
    for name, s in services.by_name.items():
        if s.url:
            at[_host(s), s.port].append(name)
    answers = []
    for (host, port), names in at.items():
        for name in names:
            others = [n for n in names if n != name]
            evidence = {"address": f"{host}:{port}", **({"also": ", ".join(others)} if others else {})}
            answers.append(Observation(subject=name, ok=not others, evidence=evidence))
    return answers


def _host(service: Service) -> str:
    return "localhost" if service.host in ("127.0.0.1", "::1") else str(service.host)
