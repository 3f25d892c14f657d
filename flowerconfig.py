"""Flower's settings, which it reads from this file by itself. Its address and port are given where it is started."""

from config.settings import get_settings

if get_settings().flower_basic_auth:
    basic_auth = [get_settings().flower_basic_auth]
tasks_columns = "name,uuid,state,args,result,received,runtime,worker"
max_tasks = 20_000
natural_time = False
