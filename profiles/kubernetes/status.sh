#!/bin/sh
# Prints running, success or failed, by the name that submit.py printed. A Job that is gone has failed; where kubectl does not
# reach the cluster, Snakemake asks again.
numbers=$(kubectl get "$1" --ignore-not-found --output 'jsonpath=job/{.status.succeeded}/{.status.failed}') || numbers=job//
case $numbers in
job/[1-9]*) echo success ;;
job//) echo running ;;
*) echo failed ;;
esac
