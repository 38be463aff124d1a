"""Argo Workflows: workflows as Kubernetes objects that Argo's controller runs."""
