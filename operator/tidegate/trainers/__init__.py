"""What trains: Jobs from CronJobs, TrainJobs, Kubeflow pipeline runs; one file each."""
