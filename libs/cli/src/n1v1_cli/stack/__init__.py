"""The running stack: servers and services as supervised child processes of one state folder."""
