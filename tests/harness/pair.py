# SPDX-License-Identifier: MIT
"""A database server with a standby that can take its place, whichever database it is."""

from .proxy import Proxy


class Pair:
    """The primary, its standby, the link between them, and gates: proxies through which clients
    reach whichever is the primary."""

    def __init__(self, primary):
        self.primary, self.standby, self.gates = primary, None, []
        self.link = Proxy(primary.port)
        try:
            self.follow()
        except BaseException:
            self.discard()
            raise

    def gate(self):
        """A further address of the primary."""
        self.gates.append(Proxy(self.primary.port))
        return self.gates[-1]

    def prepare(self):
        """Comes before fail_over(), while everything is well, where follow() needs it."""

    def follow(self):
        """Makes a standby where there is none, and waits until it follows."""
        raise NotImplementedError

    def wait_caught_up(self, timeout):
        """Until the standby has what the primary has now."""
        raise NotImplementedError

    def synchronous(self):
        """From now on a commit waits for the standby."""
        raise NotImplementedError

    def fail_over(self, mode):
        """The primary ends ("fast": in order, having sent everything; "kill" or what else there is),
        the standby takes its place and its address. Returns the new primary. Whatever the standby
        had not received is gone."""
        former, successor = self.primary, self.standby
        self._end(former, mode)
        if mode == "fast" and former.process.exit_code != 0:
            raise RuntimeError(f"the primary did not end in order:\n{former.process.log_tail()}")
        self._promote(successor)
        successor.continue_names_of(former)
        self.primary, self.standby = successor, None
        self.link.mend()
        self.link.retarget(successor.port)
        for gate in self.gates:
            gate.retarget(successor.port)
        former.discard()
        return successor

    def _end(self, former, mode):
        raise NotImplementedError

    def _promote(self, successor):
        raise NotImplementedError

    @property
    def servers(self):
        return [each for each in (self.standby, self.primary) if each is not None]

    def discard(self):
        for proxy in [self.link, *self.gates]:
            proxy.discard()
        for server in self.servers:
            server.resume()
            server.discard()
