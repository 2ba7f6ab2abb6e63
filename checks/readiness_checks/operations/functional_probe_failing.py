from readiness import RATIO, Answer, Observation, Unobservable, Unseen, check
from readiness.authoring import Subject
from readiness.facts.probes import ProbeProofs, Proof
from readiness.model import Scalar


@check(
    subject="service",
    universe="services that declare what they must be able to do",
    priority="P0",
    effort="M",
    credit=RATIO,
    mend="Send the failing step by hand and follow it in the service's log; then `readiness drill services --yes` again.",
)
def functional_probe_failing(proofs: ProbeProofs) -> Answer:
    """Services do what they are for: people sign in, make, read, change and delete.

    A health check says that a service runs, not that it works: the route whose table was renamed is found by who uses it. The
    profile declares requests with the answers that are expected; `readiness drill services` sends them, and what it found
    counts until it ends, as long as the probes stay as they were.
    """

    def judge(service: str) -> Subject:
        own = {name: proofs.by_probe[name] for name, of in proofs.services.items() if of == service}
        proved = {name: p for name, p in own.items() if isinstance(p, Proof)}
        failures = [f"{name}: {p.failure}" for name, p in proved.items() if p.failure is not None]
        evidence: dict[str, Scalar | list[Scalar]] = {
            "probes": ", ".join(own),
            "steps": sum(p.steps for p in proved.values()),
            "failures": [*failures],
        }
        if failures:
            return Observation(subject=service, ok=False, evidence=evidence)
        for name, proof in own.items():
            if isinstance(proof, Unobservable):
                return Unseen(
                    subject=service, reason=proof.reason, detail=f"{name}: {proof.detail}", unlock=proof.unlock
                )
        evidence["tried_at"] = min(p.taken_at for p in proved.values()).isoformat()
        return Observation(subject=service, ok=True, evidence=evidence, expires=min(p.expires for p in proved.values()))

    return [judge(service) for service in dict.fromkeys(proofs.services.values())]
