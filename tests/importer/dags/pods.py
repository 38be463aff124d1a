"""Containers: pods of Kubernetes, and Docker."""

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG
from kubernetes.client import models as k8s

with DAG("pods", schedule=None, params={"rate": 0.1}) as dag:
    train = KubernetesPodOperator(
        task_id="train",
        name="train",
        namespace="shop",
        image="ghcr.io/shop/train:1",
        cmds=["python"],
        arguments=["train.py", "--rate={{ params.rate }}"],
        env_vars={"MODE": "full"},
        secrets=[Secret("env", "TOKEN", "store", "token")],
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": 1},
        ),
        volumes=[
            k8s.V1Volume(
                name="orders",
                persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name="orders"),
            )
        ],
        volume_mounts=[k8s.V1VolumeMount(name="orders", mount_path="/data", read_only=True)],
        node_selector={"disk": "ssd"},
        tolerations=[k8s.V1Toleration(key="gpu", operator="Exists")],
        image_pull_policy="Always",
        do_xcom_push=True,
    )
    report = DockerOperator(
        task_id="report",
        image="alpine:3.20",
        command="echo {{ ti.xcom_pull(task_ids='train')['score'] }} 'two words'",
        mem_limit="512m",
    )
    train >> report
