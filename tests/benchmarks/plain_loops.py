"""Loops as one writes them first, with the face that methods.py describes."""

import torch


class PlainLoop:
    """What one writes first: tied weights of unit length, autograd and torch's Adam."""

    modules = ()

    def __init__(self, width, n_components, batch_size, *, alpha=0.1, learning_rate=3e-3):
        self.alpha = alpha
        self.weights = torch.randn(n_components, width).requires_grad_()
        self.bias = torch.zeros(n_components, requires_grad=True)
        self._learning_rate = learning_rate
        self._begin()

    def _begin(self):
        self.optimizer = torch.optim.Adam([self.weights, self.bias], lr=self._learning_rate)

    def load(self, components, bias):
        """Take up a dictionary."""
        self.weights = components.clone().requires_grad_()
        self.bias = bias.clone().requires_grad_()
        self._begin()

    def step(self, x):
        """Train on a batch."""
        directions = self.weights / self.weights.norm(dim=1, keepdim=True)
        codes = torch.relu(x @ directions.T + self.bias)
        error = (codes @ directions - x).square().sum(1).mean()
        loss = error + self.alpha * codes.sum(1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.weights /= self.weights.norm(dim=1, keepdim=True)

    def codes(self, x):
        """Return all codes of rows."""
        return torch.relu(x @ self.atoms().T + self.bias)

    def decode(self, codes):
        """Return what codes decode to."""
        return codes @ self.atoms()

    def atoms(self):
        """Return the directions that codes are written along."""
        return self.weights


class PlainBatchTopK:
    """BatchTopK as one writes it first: untied weights, autograd and torch's Adam."""

    modules = ()

    def __init__(self, width, n_components, batch_size, *, k=32, learning_rate=1e-3):
        self._k, self._learning_rate = k, learning_rate

    def load(self, components, bias):
        """Take up a dictionary."""
        tensors = components, components, bias
        self.weights, self.encoder, self.bias = (t.clone().requires_grad_() for t in tensors)
        parameters = [self.weights, self.encoder, self.bias]
        self.optimizer = torch.optim.Adam(parameters, lr=self._learning_rate)

    def step(self, x):
        """Train on a batch."""
        error = (self.decode(self.codes(x)) - x).square().sum(1).mean()
        self.optimizer.zero_grad()
        error.backward()
        self.move()

    def move(self):
        """Take a step of Adam with directions of unit length."""
        with torch.no_grad():
            along = (self.weights.grad * self.weights).sum(1, keepdim=True)
            self.weights.grad -= along * self.weights
            self.optimizer.step()
            self.weights /= self.weights.norm(dim=1, keepdim=True)

    def codes(self, x):
        """Return all codes of rows."""
        codes = torch.relu(x @ self.encoder.T + self.bias).flatten()
        kept = codes.topk(self._k * len(x), sorted=False).indices
        return torch.zeros_like(codes).scatter(0, kept, codes[kept]).view(len(x), -1)

    def decode(self, codes):
        """Return what codes decode to."""
        return codes @ self.weights

    def atoms(self):
        """Return the directions that codes are written along."""
        return self.weights
