"""couler: write an ML workflow once in Python and run it on a laptop, Argo Workflows, Apache Airflow and Tekton."""
