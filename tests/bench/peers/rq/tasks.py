def echo(body):
    return body
