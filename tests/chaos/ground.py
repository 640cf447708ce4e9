# SPDX-License-Identifier: MIT
"""What the grounds have in common: a pair of servers behind gates."""


class Ground:
    """What a scene asks of its database, and what is done to it. A ground ends with discard()."""

    name = None
    crashes = ()  # modes of end() and of a failover that are no order

    def __init__(self, pair):
        self.pair = pair

    @property
    def server(self):
        """Whichever is the primary now."""
        return self.pair.primary

    @property
    def gates(self):
        """What relays reach the server through."""
        return self.pair.gates

    @property
    def proxies(self):
        return [*self.pair.gates, self.pair.link]

    def end(self, mode):
        """"fast" is in order."""
        self.server.kill() if mode == "kill" else self.server.stop(mode)

    def heal(self):
        self.server.resume()
        self.server.start()
        self.pair.follow()

    def logs(self):
        """File name -> path."""
        found = {f"{self.name}.log": self.server.process.log_path}
        if self.pair.standby is not None:
            found["standby.log"] = self.pair.standby.process.log_path
        return found

    def discard(self):
        self.pair.discard()
