"""What gunicorn's workers need: ours and the stock one."""
