"""Runs the work of the local AWS: training, processing and Glue jobs as real processes on this machine."""

from local_aws.executor.launch import DEFAULT_PRELOAD
from local_aws.executor.pool import Executor
from local_aws.executor.process import ExecutorError, Exit, Isolation, Process, Running

__all__ = ["DEFAULT_PRELOAD", "Executor", "ExecutorError", "Exit", "Isolation", "Process", "Running"]
