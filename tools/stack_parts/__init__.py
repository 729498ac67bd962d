"""ZooKeeper, Kafka, a schema registry and a ClickHouse cluster of two shards as plain processes on loopback.

command.py reads the command line; stack.py starts, stops and watches; parts.py knows what each part is made
of; processes.py keeps track of a process; probes.py asks a part whether it answers; artifacts.py fetches what
artifacts.txt pins. The configuration files are those of deploy/, which docker-compose.yaml mounts too.
"""
