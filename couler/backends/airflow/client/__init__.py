"""Runs of workflows on an Airflow, through its REST API."""
