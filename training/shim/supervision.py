"""One shim's life: begin, watch, end."""

import logging
import os
import signal
import time
from types import FrameType

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection, transaction

from training import dispatch, lifecycle, pausing
from training.diagnosis import diagnose
from training.errors import Unbuildable
from training.models import Desired, Reason, Status, Workload
from training.models.workloads import MAX_RESTARTS
from training.shim import launching, locks, works
from training.shim.endings import Ending
from training.shim.faults import UNSTORABLE, is_passing, reason_of
from training.shim.limits import Limits
from training.shim.log_file import LogFile
from training.shim.nudging import nudge
from training.shim.process import Runner
from training.shim.reading import events, log_lines, size_of, whole_lines
from training.shim.recording import Recorder, last_outcome
from training.shim.watchfulness import Members, Stranded

logger = logging.getLogger(__name__)

TICK_S = 0.3
# Where pages are woken up, a person sees what is new at once; whatever a run writes, its rows do
# not take a processor's time.
LOOK_EVERY_S = 0.05
REST_S = 0.15
RENEW_EVERY_S = 5.0
LIMITS = (Reason.TIME_LIMIT, Reason.IDLE)
SAVE_GRACE_S = 120.0
SIGNAL_GRACE_S = 10.0
RETRY_DATABASE_EVERY_S = 2.0
# A shim whose code and tables do not fit leaves to another one, though not many times a minute.
BEFORE_SUCCESSOR_S = 30.0
# An end that the database refuses is tried again: somebody may have taken the same name or number.
END_TRIES = 3


class Fenced(Exception):
    """Somebody else holds the lease, or the workload is gone."""


class Supervision:
    """Supervises `workload` under the lease with this `fence`."""

    def __init__(
        self,
        workload: Workload,
        fence: int,
        *,
        work: works.Work | None = None,
        runner: Runner | None = None,
    ) -> None:
        """`work` and `runner`: the workload's own, unless they are given."""
        self.workload = workload
        self.fence = fence
        self.work = work or works.work_of(workload)
        self.runner = runner or Runner(workload.folder / f"attempt-{workload.attempt}")
        self.recorder = Recorder(workload, fence)
        self.is_suspending = False
        self._events_at = workload.events_offset
        self._log_at = workload.log_offset
        self._renewed_at = 0.0
        self._asked_at: float | None = None
        self._log = LogFile(self.runner.log)
        self._limits = Limits(workload, self.runner.age_s)
        self._limit: str | None = None
        self._members = Members(workload)
        self._is_torn = False
        self._stranded = Stranded(workload)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._on_term)
        try:
            self._begin()
            self._follow()
            self._settle()
        except Fenced:
            logger.warning("%s: the lease is gone; ending the runner", self.workload.pk)
            self.runner.kill()
        except Unbuildable as error:
            ending = Ending(Status.FAILED, error.reason, error.detail)
            self._finish(ending, None)

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        """The machine or the platform goes down: keep what there is, go on later."""
        self.is_suspending = True

    def _begin(self) -> None:
        """Start the runner, unless an earlier shim has."""
        if self.workload.renew(self.fence, pid=os.getpid()) is None:
            raise Fenced
        if self.runner.was_started():
            self.runner.adopt()
            told = self.runner.events.read_bytes() if self.runner.events.exists() else b""
            self.recorder.outcome = last_outcome(told)
            return
        try:
            alone = works.write_spec(self.work, self.runner)
            command = launching.prepare(self.workload, self.runner, alone)
            self.runner.end_former()
            self.runner.start(command, str(self.workload.pk), self.work.environment())
        except locks.Held as error:
            raise Unbuildable(Reason.START, "an earlier process of it still lives") from error
        except OSError as error:
            raise Unbuildable(reason_of(error), f"{type(error).__name__}: {error}") from error

    def _follow(self) -> None:
        while True:
            is_alive = self.runner.is_alive()
            self._tick(is_ended=not is_alive)
            if not is_alive:
                return
            self._rest()

    def _rest(self) -> None:
        """Until there is something to read; to ask what is desired is worth no more than a look now
        and then."""
        if not settings.REDIS_URL:  # pages look once a second
            time.sleep(TICK_S)
            return
        until = time.monotonic() + TICK_S
        time.sleep(REST_S)
        while time.monotonic() < until and not self._has_news():
            time.sleep(LOOK_EVERY_S)

    def _has_news(self) -> bool:
        return self._log.size() > self._log_at or size_of(self.runner.events) > self._events_at

    def _tick(self, *, is_ended: bool = False) -> None:
        """Write what is new and do what is asked. A database that is away is waited for, while
        the training goes on; nothing is lost, since files are read from where the last
        transaction that succeeded left off."""
        while True:
            try:
                has_more = self._write(is_ended)
                if not is_ended:
                    self.work.watch(self.fence)
                    self._watch_members()
                self._stranded.heard()
            except DatabaseFailure as fault:
                self._bear(fault)
                continue
            if not has_more:
                return

    def _bear(self, fault: DatabaseFailure) -> None:
        """Waits for the database. Raises what does not pass, and Fenced once another node may have
        taken over."""
        if not is_passing(fault):
            logger.error("%s: what another shim may do better: %s", self.workload.pk, fault)
            time.sleep(BEFORE_SUCCESSOR_S)
            raise fault
        logger.warning("%s: the database does not answer: %s", self.workload.pk, fault)
        connection.close()
        if self._stranded.is_over():
            raise Fenced
        time.sleep(RETRY_DATABASE_EVERY_S)

    def _watch_members(self) -> None:
        if not self._members.is_due():
            return
        if self._members.is_one_lost():
            logger.warning("%s: a node of this run is lost", self.workload.pk)
            self._is_torn = True
            self.runner.kill()
        elif self._members.is_waited_for_in_vain():
            self.runner.kill()

    def _write(self, is_ended: bool) -> bool:
        """One batch; whether there may be more. Raises Fenced."""
        told, events_at = whole_lines(self.runner.events, self._events_at, is_ended=is_ended)
        log, log_at = self._log.read(self._log_at, is_ended=is_ended)
        is_news = bool(told or log)
        if not is_news and time.monotonic() - self._renewed_at < RENEW_EVERY_S:
            self._obey(self._desired())
            return False
        try:
            desired = self._store(told, log, events_at, log_at, apart=False)
        except UNSTORABLE:
            logger.exception("%s: one by one, since not all can be stored", self.workload.pk)
            desired = self._store(told, log, events_at, log_at, apart=True)
        for event in events(told):
            self._limits.note(event)
        for name, value in self.recorder.changes.items():
            setattr(self.workload, name, value)
        self._events_at, self._log_at = events_at, self._log.cut(log_at)
        self._renewed_at = time.monotonic()
        self._obey(desired)
        if is_news:
            nudge(self.workload.pk)
        return is_news and is_ended

    def _store(self, told: bytes, log: bytes, events_at: int, log_at: int, *, apart: bool) -> str:
        """What is desired now. Raises Fenced."""
        with self.recorder.batch(), transaction.atomic():
            self.recorder.store(told, log, apart=apart)
            self.recorder.look()
            desired = self.workload.renew(
                self.fence, events_offset=events_at, log_offset=log_at, **self.recorder.changes
            )
            if desired is None:
                raise Fenced
        return desired

    def _desired(self) -> str:
        row = Workload.objects.filter(pk=self.workload.pk).values_list("desired", "fence").first()
        if row is None or row[1] != self.fence:
            raise Fenced
        return str(row[0])

    def _obey(self, desired: str) -> None:
        self._limit = self._limit or self._limits.passed()
        if desired == Desired.RUN and self._limit:
            desired = Desired.PAUSE if self._can_pause() else Desired.STOP
        if desired == Desired.RUN and not self.is_suspending:
            return
        by_signal = self.work.stops_by_signal
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            if by_signal:
                self.runner.signal(signal.SIGTERM)
        if not by_signal:
            self._ask("stop" if desired == Desired.STOP else "pause")
        if now - self._asked_at > (SIGNAL_GRACE_S if by_signal else SAVE_GRACE_S):
            self.runner.kill()

    def _ask(self, word: str) -> None:
        try:
            self.runner.ask(word)
        except OSError as fault:  # a full disk: there may be room at the next look
            logger.warning("%s: it cannot be asked to %s: %s", self.workload.pk, word, fault)

    def _can_pause(self) -> bool:
        return not pausing.why_not(self.workload)

    def _settle(self) -> None:
        """The runner is gone: what does its end mean?"""
        outcome, exit_code = self.recorder.outcome, self.runner.exit_code()
        ending = self.work.ending(outcome, exit_code)
        desired = self._desired_at_last()
        if self.is_suspending and (ending is None or ending.status != Status.SUCCESS):
            ending = Ending(Status.STOPPED if desired == Desired.STOP else Status.PAUSED)
        elif self._limit and ending and ending.status in (Status.PAUSED, Status.STOPPED):
            ending = self._at_limit(ending, desired)
        elif desired == Desired.RUN and self._is_unasked(ending) and self._requeue():
            return
        elif ending is None or ending.reason == Reason.KILLED:
            ending = self._broken_off(ending, desired)
            if ending is None:
                return
        elif ending.status == Status.PAUSED and desired == Desired.STOP:
            ending = Ending(Status.STOPPED)
        self._finish(self._diagnosed(ending), outcome)

    def _is_unasked(self, ending: Ending | None) -> bool:
        """Whether it ended though nobody wanted that: of a signal, or with a lost node."""
        has_left = ending is not None and ending.status in (Status.PAUSED, Status.STOPPED)
        return has_left or self._is_broken(ending)

    def _is_broken(self, ending: Ending | None) -> bool:
        """Whether a lost node ended it. The processes here may notice that before we do."""
        if self._is_torn:
            return True
        is_gone = ending is None or ending.reason == Reason.KILLED
        return is_gone and self._members.turns_out_lost()

    def _diagnosed(self, ending: Ending) -> Ending:
        """With what the log says of the cause."""
        if ending.status != Status.FAILED or ending.reason in LIMITS:
            return ending
        lines = log_lines(self._log.tail())
        exit_code = self.runner.exit_code()
        found = diagnose(lines, exit_code=exit_code, told=ending.reason)
        detail = ending.detail
        if found.proof is not None and ending.reason in ("", Reason.UNKNOWN, Reason.KILLED):
            detail = lines[found.proof].strip()
        return Ending(ending.status, found.reason, detail)

    def _at_limit(self, ending: Ending, desired: str) -> Ending:
        if desired == Desired.STOP:
            return Ending(Status.STOPPED)
        if desired == Desired.PAUSE:
            return ending
        status = Status.PAUSED if ending.status == Status.PAUSED else Status.FAILED
        return Ending(status, self._limit or "")

    def _requeue(self) -> bool:
        """Into the queue with what is saved; False when that has been tried often enough."""
        self.workload.refresh_from_db()
        if self.workload.restarts >= MAX_RESTARTS:
            return False
        done = lifecycle.requeue(self.workload.pk, self.fence)
        dispatch.look_at_queue()
        return done

    def _broken_off(self, ending: Ending | None, desired: str) -> Ending | None:
        """It died without a word. None: another attempt has begun."""
        if desired == Desired.STOP:
            return Ending(Status.STOPPED)
        if ending is not None:  # killed under our eyes, most likely for its memory
            return ending
        if self.workload.restarts >= MAX_RESTARTS:
            return Ending(Status.FAILED, Reason.KILLED, f"broke off {MAX_RESTARTS + 1} times")
        self.workload.refresh_from_db()
        fence = lifecycle.take_over(self.workload, is_new_attempt=True)
        if fence is not None:
            self.workload.refresh_from_db()
            self._go_on(fence)
        return None

    def _go_on(self, fence: int) -> None:
        """With another attempt, under the same lock."""
        Supervision(self.workload, fence).run()

    def _desired_at_last(self) -> str:
        while True:
            try:
                return self._desired()
            except DatabaseFailure as fault:
                self._bear(fault)

    def _finish(self, ending: Ending, outcome: dict[str, object] | None) -> None:
        refused = 0
        while True:
            try:
                if not self._keep(ending, outcome, is_recorded=refused < END_TRIES):
                    return
                break
            except UNSTORABLE as fault:
                logger.exception("%s: its end cannot be recorded", self.workload.pk)
                refused += 1
                if refused > END_TRIES:
                    raise
                if refused == END_TRIES:
                    detail = f"its end could not be recorded: {type(fault).__name__}: {fault}"
                    ending = Ending(Status.FAILED, Reason.UNKNOWN, detail)
            except DatabaseFailure as fault:
                self._bear(fault)
        nudge(self.workload.pk)
        dispatch.look_at_queue()  # a place is free

    def _keep(
        self, ending: Ending, outcome: dict[str, object] | None, *, is_recorded: bool
    ) -> bool:
        """The end, and what follows from it if `is_recorded`; False if it is somebody else's."""
        with transaction.atomic():
            if not lifecycle.settle(
                self.workload.pk,
                self.fence,
                ending.status,
                reason=ending.reason,
                detail=ending.detail[:4000],
                exit_code=self.runner.exit_code(),
            ):
                return False
            if is_recorded:
                self.work.on_end(ending, outcome)
            if self.is_suspending and ending.status == Status.PAUSED:
                lifecycle.enqueue(self.workload)
        return True
