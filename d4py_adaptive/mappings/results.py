"""The launcher's end of the channels that results travel in."""

from __future__ import annotations

from d4py_adaptive.mappings.assembly import RESULTS
from d4py_adaptive.mappings.channel import Inlet, Window
from d4py_adaptive.mappings.job import Job, Observer
from d4py_adaptive.wire.frame import Frame, Kind


class ResultSink:
    """Takes results as they come, in order per instance, and allows more."""

    def __init__(self, job: Job, observer: Observer) -> None:
        self._job = job
        self._observer = observer
        senders = {pe for pe, _ in job.workflow.results}
        self._inlets = {
            ref.number: Inlet(ref.number, RESULTS, Window.FIRST, job.window.payload_bytes)
            for ref in job.plan.instances
            if ref.pe in senders
        }

    def receive(self, frame: Frame) -> Frame | None:
        """Pass on a frame's results to the observer; the credit to send back, if any."""
        inlet = self._inlets[frame.sender]
        if frame.kind is Kind.END:
            inlet.end = frame.first
            return None
        for port, item, together in inlet.accept(frame.first, list(frame.ports), list(frame.items), frame.number):
            pe, name = self._job.workflow.results[port]
            value = self._job.wire.decode(item.body, item.buffers)
            for result in value if together else (value,):
                self._observer.result(pe, name, result)
            inlet.take(item.nbytes, together or 1)
        inlet.grant(self._job.window, 0.0)
        return Frame(
            Kind.CREDIT,
            RESULTS,
            frame.sender,
            inlet.granted,
            number=inlet.taken,
            credit_bytes=inlet.granted_bytes,
        )

    @property
    def complete(self) -> bool:
        """Whether every instance that writes results has said that it wrote its last, and all of them came."""
        return all(inlet.closed for inlet in self._inlets.values())
