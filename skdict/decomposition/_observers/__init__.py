"""What accompanies a `Fit`: each observer does one thing, at moments that the fit announces."""
