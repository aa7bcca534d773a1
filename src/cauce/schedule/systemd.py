"""A systemd unit that keeps the daemon running, shut in: it writes `.cauce/` and a cache, and gains no rights."""

from __future__ import annotations

from cauce.schedule.plan import Plan

UNIT = """\
# {place}: put it there, then `systemctl daemon-reload` and `systemctl enable --now {label}`.
# Secrets of sources and alerts stand in /etc/{label}.env, mode 600, a line each: NAME=value
[Unit]
Description=Cauce watches {name} every {every}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={folder}
EnvironmentFile=-/etc/{label}.env
Environment=XDG_CACHE_HOME=%C/{label}
ExecStart={command}
Restart=on-failure
RestartSec=30
TimeoutStopSec=30
UMask=0077

NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={state}
CacheDirectory={label}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""


def unit(plan: Plan) -> str:
    """Return the unit's file. It cannot be started twice for a project: the second finds the watcher's lock held."""
    return UNIT.format(
        place=f"/etc/systemd/system/{plan.label}.service",
        label=plan.label,
        name=plan.name,
        every=plan.every,
        user=plan.user,
        folder=_specifiers(str(plan.folder)),
        command=" ".join(
            _word(one, program=not place) for place, one in enumerate(plan.command("--every", plan.every))
        ),
        state=_word(str(plan.folder / ".cauce"), program=True),
    )


def _specifiers(text: str) -> str:
    """Return a text in which `%` begins no specifier."""
    return text.replace("%", "%%")


def _word(text: str, *, program: bool) -> str:
    """Return one word as systemd reads it back: quoted where it must be, no specifier and no variable in it.

    Parameters
    ----------
    program
        Whether it is the program, or a path: variables are put into arguments alone, so `$` is doubled there alone.
    """
    doubled = _specifiers(text if program else text.replace("$", "$$"))
    if doubled and not any(letter in doubled for letter in " \t\"'\\;"):
        return doubled
    return '"' + doubled.replace("\\", "\\\\").replace('"', '\\"') + '"'
