"""One etcd cluster, spoken to through its HTTP gateway, that holds snapshots, channels, pins and their history."""
