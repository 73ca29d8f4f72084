# docker build -t vjepa . && docker run --rm -p 8888:8888 vjepa
# The CPU build of torch; for a GPU, build with --build-arg TORCH=cuda and run with --gpus all.
FROM python:3.11-slim
ARG TORCH=cpu
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /vjepa
# .py files of notebooks open as notebooks.
ENV JUPYTER_CONFIG_PATH=/vjepa/.jupyter
COPY . .
RUN make install TORCH=${TORCH}
EXPOSE 8888
# Results outlive the container where these folders are mounted: -v "$PWD/runs:/vjepa/runs" and so on.
VOLUME ["/vjepa/runs", "/vjepa/data", "/vjepa/figures"]
CMD [".venv/bin/python", "-m", "jupyterlab", "--ip=0.0.0.0", "--allow-root", "--no-browser", "notebooks"]
