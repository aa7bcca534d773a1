"""One manifest for Kubernetes: a volume for what the project remembers, and a CronJob that takes a full turn on it."""

from __future__ import annotations

import json

from cauce.schedule.cron import expression
from cauce.schedule.plan import Plan

PLACE = "/project"
"""Where the image holds cauce.toml; the volume lies under it."""
MANIFEST = """\
# kubectl apply -f FILE. The image holds Cauce and the project in {place}; secrets of sources and alerts stand in
# the secret {label}: kubectl create secret generic {label} --from-literal=NAME=value
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {label}-state
  labels: {{app.kubernetes.io/name: cauce, app.kubernetes.io/instance: {label}}}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 10Gi
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {label}-watch
  labels: {{app.kubernetes.io/name: cauce, app.kubernetes.io/instance: {label}}}
spec:
  schedule: {schedule}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {deadline}
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        metadata:
          labels: {{app.kubernetes.io/name: cauce, app.kubernetes.io/instance: {label}}}
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          enableServiceLinks: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 10001
            runAsGroup: 10001
            fsGroup: 10001
            seccompProfile: {{type: RuntimeDefault}}
          containers:
            - name: watch
              image: {image}
              command: {command}
              workingDir: {place}
              env:
                - {{name: HOME, value: /tmp}}
                - {{name: XDG_CACHE_HOME, value: /tmp}}
              envFrom:
                - secretRef: {{name: {label}, optional: true}}
              resources:
                requests: {{cpu: "1", memory: 2Gi}}
                limits: {{memory: 4Gi}}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{drop: [ALL]}}
              volumeMounts:
                - {{name: state, mountPath: {place}/.cauce}}
                - {{name: tmp, mountPath: /tmp}}
          volumes:
            - name: state
              persistentVolumeClaim: {{claimName: {label}-state}}
            - name: tmp
              emptyDir: {{}}
"""


def manifest(plan: Plan, image: str) -> str:
    """Return the manifest as YAML.

    Parameters
    ----------
    image
        Image that holds Cauce, and the project in `/project`.

    Raises
    ------
    UserError
        The interval cannot be said in cron's five fields.
    """
    about = [] if plan.model is None else [plan.model]
    command = ["python", "-m", "cauce", "watch", *about, "--once", "--quiet", "--project", PLACE]
    return MANIFEST.format(
        place=PLACE,
        label=plan.label,
        schedule=json.dumps(expression(plan)),
        deadline=max(10, min(int(plan.every_s / 2), 3600)),
        image=json.dumps(image),
        command=json.dumps(command),
    )
