"""What lies beside a DAG file: the operators that it is made of. Needs Airflow, and nothing of couler."""
