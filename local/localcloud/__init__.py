"""A whole AWS account on 127.0.0.1: moto's services, and what moto lacks for Mend."""
